"""The world of the checks, which the dispatcher and people's decisions are played in as well, in memory."""

from tests.unit.checking.conftest import ca, tls, world
from tests.unit.memory_aws import cloud

__all__ = ["ca", "cloud", "tls", "world"]
