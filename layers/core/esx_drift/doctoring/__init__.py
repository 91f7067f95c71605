"""The examination of all that a check needs, from where the checks run."""
