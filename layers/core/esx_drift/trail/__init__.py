"""Jobs that read the trail, from its bucket or from a copy of it."""
