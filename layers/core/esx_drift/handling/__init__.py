"""What the functions' handlers share: their world, their batches and their counts."""
