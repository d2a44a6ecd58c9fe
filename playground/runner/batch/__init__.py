"""Runs many scenario files, with one result for each."""
