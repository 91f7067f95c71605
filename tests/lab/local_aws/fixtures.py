"""Fixtures to import into a conftest.py: one local AWS a session, with the application in it."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from tests.lab.local_aws.local_aws import LocalAws
from tests.lab.local_aws.stack import QUIET, Stack, deploy, package
from tests.simulator.certificates import Authority, authority


@pytest.fixture(scope="session")
def trusted_authority() -> Authority:
    """The one authority that the functions trust: let Slack's stand-in show a certificate of it."""
    return authority(datetime.now(UTC), "Trusted CA")


@pytest.fixture(scope="session")
def local_aws(trusted_authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """A local AWS for the session."""
    with LocalAws(tmp_path_factory.mktemp("local-aws"), trusted_authority, datetime.now(UTC)) as running:
        yield running


@pytest.fixture(scope="session")
def packaged(local_aws: LocalAws) -> Path:
    """The template of the application, whose code lies in the local AWS."""
    return package(local_aws)


@pytest.fixture(scope="session")
def new_stack(local_aws: LocalAws, packaged: Path) -> Callable[[Mapping[str, str]], Stack]:
    """Makes a stack of its own for whoever asks, with parameters over QUIET."""
    numbers = count(1)

    def make(parameters: Mapping[str, str]) -> Stack:
        return deploy(local_aws, packaged, f"stack-{next(numbers)}", QUIET | dict(parameters))

    return make
