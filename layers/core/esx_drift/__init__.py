"""esx-drift: watches which software every ESXi host really runs, and tells when it changes."""

__version__ = "0.1.0"
