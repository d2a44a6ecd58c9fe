"""Why runs are not compiled."""


class CannotCompileError(Exception):
    """These runs are no fixed scalar program; the message says why."""


class NotWorthCompilingError(CannotCompileError):
    """They are, but done before they would be compiled."""
