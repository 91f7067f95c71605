"""Trails that the product's own jobs wrote."""

from tests.unit.checking.conftest import ca, cloud, tls, world

__all__ = ["ca", "cloud", "tls", "world"]
