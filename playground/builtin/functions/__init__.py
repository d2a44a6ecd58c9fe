"""Test functions for minimization, each with its domain, every global minimum and its source.

A factory takes the scenario's options and returns a `Function` of one vector `x`; points have shape `(..., dim)` and
values shape `(...)`, in the dtype and on the device of the points. If the value is a sum, `terms` computes its terms.
"""
