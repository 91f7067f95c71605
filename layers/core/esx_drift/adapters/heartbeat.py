"""The heartbeat: a service outside of the account is called, which tells a person when the calls end.

The address is a secret: whoever has it can keep that service content. It reaches no log and no error.
"""

from http import HTTPStatus
from typing import Final

import requests
from urllib3 import Retry
from urllib3.util import Url

from esx_drift.adapters.secrets import Secrets, blame_secret
from esx_drift.adapters.tls import open_https_session

HEARTBEAT_SECRET: Final = "url"  # noqa: S105 -- a name, and no secret
"""The secret is ``<prefix>/heartbeat/url``."""

HEARTBEAT_TIMEOUTS: Final = (3.0, 5.0)
"""Seconds to connect, and to answer: nothing waits for it for long."""


def send_heartbeat(secrets: Secrets) -> str | None:
    """Call the address that stands in ``secrets``; returns why that was not taken, or None if it was.

    Raises:
        SecretInvalid, SecretUnavailable: The secret can't be used, or can't be read now.
    """
    name = secrets.make_name("heartbeat", HEARTBEAT_SECRET)
    with blame_secret(name):
        fields, _ = secrets.read(name)
        url, ca_bundle = fields.https_url("url"), fields.ca_bundle("ca_bundle")
        fields.refuse_others()
        return _call(url, ca_bundle)


def _call(url: Url, ca_bundle: str | None) -> str | None:
    with open_https_session(ca_bundle, Retry(0)) as session:
        try:
            with session.get(
                url.url, timeout=HEARTBEAT_TIMEOUTS, allow_redirects=False, stream=True
            ) as response:
                is_taken = response.status_code < HTTPStatus.MULTIPLE_CHOICES
                return None if is_taken else f"it answered {response.status_code}"
        except requests.RequestException as error:
            # Its text holds the address.
            return f"no answer: {type(error).__name__}"
