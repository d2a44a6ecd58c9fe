"""Writes the program of a descent as a WebAssembly module, so that a page can run it."""
