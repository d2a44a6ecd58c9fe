"""Diagnoses, one module per group: what is measured of a run that ended badly, and the fix.

Each factory returns a `Diagnoser`. Its function returns one sentence with the run's own numbers, or "" if there is any
doubt. Levels order causes before effects: a wrong sign makes any run diverge, so `rate_too_large` is checked only if no
wrong sign was found.

0  numbers that are not finite from the beginning; an optimizer that does not descend
1  operations that make NaN; gradients that differ from the slope
2  data and activations that do not suit the loss; products that explode
3  the learning rate
4  dead or saturated units
5  limits of the model
6  a plateau
"""
