"""The same Slack as the channel's own tests have."""

from tests.unit.channels.conftest import webhook

__all__ = ["webhook"]
