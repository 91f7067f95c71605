"""The trail as a whole: what its records say of the past, and what proves that it is as it was written."""
