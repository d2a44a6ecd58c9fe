"""How one explained step is shown: text, HTML, JSON and LaTeX."""
