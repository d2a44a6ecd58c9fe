"""How values look to people: numbers, text, curves, and a run in a notebook. Standard library only."""
