"""A run over the fleet: list each vCenter's clusters and ask for their checks."""
