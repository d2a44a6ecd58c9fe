"""The errors that say why runs are not compiled."""


class CannotCompileError(Exception):
    """These runs are not a fixed scalar program, or cannot be compiled here; the message says why."""


class NotWorthCompilingError(CannotCompileError):
    """The runs could be compiled, but they finish sooner than the compiler does."""
