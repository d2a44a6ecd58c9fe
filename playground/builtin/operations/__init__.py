"""The operations of torch that `explain` knows: one factory each, registered under the function's short name."""
