"""The tasks we ship. Each module imports torch only when it computes, so that scenarios are checked without it."""
