"""What changed from one snapshot to the next."""
