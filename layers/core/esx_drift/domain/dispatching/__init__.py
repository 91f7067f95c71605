"""What a run dispatches, misses, retries and retires."""
