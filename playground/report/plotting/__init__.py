"""Figures for papers and slides, by matplotlib.

`needed.py` and `formats.py` need nothing; every other module imports matplotlib, and is imported only where somebody
plots.
"""
