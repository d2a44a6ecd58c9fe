"""The rules for operations of torch: one table per kind of operation, readable at a glance."""

from playground.core.compiled.rules import movement, pointwise, reductions, shortcuts

RULES = {**pointwise.RULES, **reductions.RULES, **movement.RULES, **shortcuts.RULES}
"""The rule of each operation by name. torch may decompose an operation without a rule into operations that have one."""
