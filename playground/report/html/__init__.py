"""Writes results as one self-contained page: charts with replay, their numbers, and how each was made."""
