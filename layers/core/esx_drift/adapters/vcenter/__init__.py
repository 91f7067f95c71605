"""A vCenter's REST API over requests."""
