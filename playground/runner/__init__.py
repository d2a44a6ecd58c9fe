"""Binds names to components, runs, and judges expectations. Knows no component by name."""
