"""Many runs of one scenario: planned, computed in chunks, stored, summed up."""
