"""What is reported of the whole fleet: its first look, each day, and what is open for too long."""
