"""Writes a scenario as a stand-alone PyTorch program.

The program makes the same tensor operations in the same order as `playground run`, so its losses are equal to the bit.
Every module here keeps this invariant: it may remove code that computes nothing and write constants in, and it never
reorders, merges or repeats an operation on tensors.

The stages, in order:

1. `program.py` prepares the scenario and asks its task for a `Listing`: cells of code, the loss, the parameters.
2. `writer.py` writes each component that the task names as an expression, and asks `definitions.py` for its definition.
3. `definitions.py` follows the names that a definition uses across modules (`modules.py` reads their source, `names.py`
   finds the names) and orders the definitions so that each follows those that it uses.
4. `stripping.py` removes what only the framework needs, `specialising.py` writes the scenario's options in, and
   `folding.py` removes the branches that this decides.
5. `rules.py` writes the optimizer's update rule as one class, and `descent.py` the loop around it.
6. `unparsing.py` turns the syntax trees into text with their comments, and `rendering.py` makes a script or a notebook.
"""
