"""A world for each test."""

import pytest
from esx_drift.adapters.audit_store import S3Store

from tests.unit.reporting.world import World


@pytest.fixture
def world(store: S3Store) -> World:
    """One vCenter of which nothing is known yet, and one route."""
    return World(store)
