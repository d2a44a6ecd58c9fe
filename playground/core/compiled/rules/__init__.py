"""How each operation of torch is written into a program: tables to be scanned, one module for each kind."""

from playground.core.compiled.rules import movement, pointwise, reductions, shortcuts

RULES = {**pointwise.RULES, **reductions.RULES, **movement.RULES, **shortcuts.RULES}
"""A rule for each operation by name. What has none here, torch may decompose into operations that have."""
