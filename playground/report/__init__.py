"""Shows results to people and programs. A reporter is a callable `(batch, path)`."""
