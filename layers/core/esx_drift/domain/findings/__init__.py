"""Conditions that a check meets, the findings that come of them, and the registry of their kinds."""
