"""Formats the explanation of one step: text, HTML, JSON and LaTeX."""
