"""Follows a scenario's file: records it anew after each change, and serves its page on this machine."""
