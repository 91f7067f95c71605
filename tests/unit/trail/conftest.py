"""Trails that the product's own jobs wrote."""

from tests.unit.checking.conftest import ca, cloud, tls, world
from tests.unit.trail.excerpts import middle, steps
from tests.unit.trail.played import key, trail, unsealed

__all__ = ["ca", "cloud", "key", "middle", "steps", "tls", "trail", "unsealed", "world"]
