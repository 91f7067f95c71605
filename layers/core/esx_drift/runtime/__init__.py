"""What the functions' handlers share: the runtime, batches of a queue, metrics."""
