"""Explaining one step: replay it, read the tape, write out the arithmetic, and add remarks."""
