"""Events in words for people, the same for every channel."""
