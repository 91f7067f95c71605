"""Text: names from outside made harmless, times, and the order of versions."""
