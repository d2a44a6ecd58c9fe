"""Formats values for people: numbers, text, curves, and a run in a notebook. Uses the standard library only."""
