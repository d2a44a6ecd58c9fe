"""Many scenario files, one result each."""
