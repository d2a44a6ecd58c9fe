"""Worker processes: start them, check that they have the same software, hand out work."""
