"""What runs in Lambda's own runtime to measure there."""
