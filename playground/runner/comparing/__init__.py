"""Compares optimizers on a suite of problems: what is tuned, what is measured, and what may be said of it."""
