"""Events, and how they are told to people."""
