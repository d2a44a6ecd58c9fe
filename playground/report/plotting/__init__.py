"""Draws figures for papers and slides with matplotlib.

`needed.py` and `formats.py` import no optional package; all other modules import matplotlib and are imported only to
plot.
"""
