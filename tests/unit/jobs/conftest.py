"""The world of the checks, which the dispatcher and people's decisions are played in as well."""

from tests.unit.checking.conftest import ca, cloud, tls, world

__all__ = ["ca", "cloud", "tls", "world"]
