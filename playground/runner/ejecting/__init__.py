"""A scenario as the stand-alone PyTorch program that it stands for."""
