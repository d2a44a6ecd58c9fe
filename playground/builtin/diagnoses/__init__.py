"""Mistakes that have a name, a module for each group: what is measured of a run that ended badly, and what helps.

Each factory returns a `Diagnoser`, whose function returns one sentence with the run's own numbers, or nothing where it
could be doubted. Levels say what may be the effect of what: a wrong sign makes any run diverge, so `rate_too_large` is
looked for only where no wrong sign was found.

    0  numbers that were not finite from the beginning, an optimizer that does not do what it should
    1  operations that make NaN, gradients that are not the slope
    2  data and activations that do not fit the loss, products that explode
    3  the rate
    4  units in which nothing moves any more
    5  what the model cannot do
    6  a plateau
"""
