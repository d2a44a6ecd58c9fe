"""Formats results for people and programs. A reporter is a callable `(batch, path)`."""
