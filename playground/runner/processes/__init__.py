"""Distributes work to worker processes, and checks that they have the same software."""
