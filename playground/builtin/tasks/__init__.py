"""The built-in tasks. Each module imports torch only to compute, so that scenarios are validated without it."""
