"""Training loops that are not ours: diagnoses and explanations of what `core/watching` recorded."""
