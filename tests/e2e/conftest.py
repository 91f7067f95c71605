"""The deployed product, with `AUTH=true`, so that a missing permission fails. A stack for each module."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.simulator.certificates import Authority
from tests.stack.fixtures import local_aws, new_stack, packaged, trusted_authority
from tests.stack.rig import Rig, rigged
from tests.stack.stack import Stack

__all__ = ["local_aws", "new_stack", "packaged", "trusted_authority"]

SLACK_ON_LOOPBACK = {"WebhookHosts": "127.0.0.1"}


@pytest.fixture(scope="session")
def new_rig(
    new_stack: Callable[[Mapping[str, str]], Stack],
    trusted_authority: Authority,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[], AbstractContextManager[Rig]]:
    """Makes a rig on a stack of its own."""

    def make() -> AbstractContextManager[Rig]:
        stack = new_stack(SLACK_ON_LOOPBACK)
        return rigged(stack, trusted_authority, Path(tmp_path_factory.mktemp("rig")))

    return make


@pytest.fixture(scope="module")
def rig(new_rig: Callable[[], AbstractContextManager[Rig]]) -> Iterator[Rig]:
    """A rig for one module; its tests take vCenters of names of their own."""
    with new_rig() as made:
        yield made
