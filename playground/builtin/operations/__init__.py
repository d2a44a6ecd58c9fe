"""What `explain` knows of torch's functions: one factory for each, registered under the function's short name."""
