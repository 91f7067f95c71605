"""Lists that have no pages: above a cap (1,000 clusters, 2,500 hosts) the vCenter gives none of them.

It answers 500 UNABLE_TO_ALLOCATE_RESOURCE then. So the same is asked for each datacenter, and for each folder
of a datacenter that is still too large.
"""

from collections.abc import Callable, Iterable, Sequence

from esx_drift.adapters.vcenter.answers import TOO_MANY, translate_error_answer
from esx_drift.adapters.vcenter.replies import parse_list, require_text
from esx_drift.adapters.vcenter.wire import HttpAnswer
from esx_drift.errors import VCenterError

type Params = Sequence[tuple[str, str]]
type Get = Callable[[str, Params], HttpAnswer]

LISTING_OK = 200


def list_everything(get: Get, path: str, params: Params = ()) -> list[HttpAnswer]:
    """The answers that together list all of it; what several of them hold is the same object.

    Raises what a failed call stands for, also when one single folder holds too many.
    """
    return _split(get, path, params, (_datacenters, _folders))


type Divide = Callable[[Get, Params], Iterable[Params]]


def _split(get: Get, path: str, params: Params, divisions: Sequence[Divide]) -> list[HttpAnswer]:
    answer = get(path, params)
    if answer.status == LISTING_OK:
        return [answer]
    failure = translate_error_answer(answer)
    if not divisions or not isinstance(failure, VCenterError) or failure.facts.get("error_type") != TOO_MANY:
        raise failure
    divide, *finer = divisions
    return [part for smaller in divide(get, params) for part in _split(get, path, smaller, finer)]


def _datacenters(get: Get, params: Params) -> Iterable[Params]:
    for place in _ids(get, "datacenter", ()):
        yield (*params, ("datacenters", place))


def _folders(get: Get, params: Params) -> Iterable[Params]:
    within = [pair for pair in params if pair[0] == "datacenters"]
    for place in _ids(get, "folder", [*within, ("type", "HOST")]):
        yield (*params, ("folders", place))


def _ids(get: Get, kind: str, params: Params) -> list[str]:
    answer = get(f"/api/vcenter/{kind}", params)
    if answer.status != LISTING_OK:
        raise translate_error_answer(answer)
    return [require_text(item, kind, answer) for item in parse_list(answer)]
