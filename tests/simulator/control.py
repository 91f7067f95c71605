"""Steering a simulator over HTTP, under `/_simulator/`, for tests that run it as a process."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.simulator.extraction import Pace
from tests.simulator.fault_kinds import FAULT_KINDS
from tests.simulator.model import VCenter
from tests.simulator.reply import Reply, Request, json_reply
from tests.simulator.scenarios import SCENARIOS

CONTROL = "/_simulator/"
SETTINGS = ("skew_seconds", "version", "build", "cluster_cap", "host_cap")
SESSION_SETTINGS = ("idle_seconds", "limit")
_REFUSED = (KeyError, TypeError, ValueError, AttributeError)


def control(vcenter: VCenter, request: Request) -> Reply:
    """What a control request answers; 400 with the reason if it can't be done."""
    handler = _HANDLERS.get(f"{request.method} {request.path.removeprefix(CONTROL)}")
    if handler is None:
        return json_reply(404, {"known": sorted(_HANDLERS)})
    try:
        result = handler(vcenter, json.loads(request.body or b"{}"))
    except _REFUSED as error:
        return json_reply(400, {"error": f"{type(error).__name__}: {error}"})
    return json_reply(200, result)


def _journal(vcenter: VCenter, _body: Mapping[str, Any]) -> object:
    with vcenter.lock:
        return [call._asdict() | {"at": call.at.isoformat()} for call in vcenter.journal]


def _scenarios(_vcenter: VCenter, _body: Mapping[str, Any]) -> object:
    return {name: {"description": x.description, "shows": list(x.shows)} for name, x in SCENARIOS.items()}


def _play(vcenter: VCenter, body: Mapping[str, Any]) -> object:
    scenario = SCENARIOS[body["name"]]
    match body["step"]:
        case "prepare":
            scenario.prepare(vcenter)
        case "change":
            scenario.change(vcenter, body.get("number", 0))
        case "heal":
            scenario.heal(vcenter)
        case step:
            raise ValueError(f"{step} is not prepare, change or heal")
    return {"name": scenario.name, "changes": len(scenario.changes)}


def _inject(vcenter: VCenter, body: Mapping[str, Any]) -> object:
    fault = FAULT_KINDS[body["kind"]](**body.get("arguments", {}))
    vcenter.faults.inject(body.get("route", "*"), fault, body.get("times"))
    return {"kind": fault.name}


def _clear(vcenter: VCenter, body: Mapping[str, Any]) -> object:
    vcenter.faults.clear(body.get("route"))
    return {}


def _mutate(vcenter: VCenter, body: Mapping[str, Any]) -> object:
    """Call a public method of `vcenter`, or of its part named in `on`."""
    part, name, arguments = body.get("on", "vcenter"), body["method"], body.get("arguments", {})
    if part not in _PARTS or name.startswith("_"):
        raise KeyError(f"{part}.{name}")
    method = getattr(_PARTS[part](vcenter), name)
    with vcenter.lock:
        result = method(*arguments) if isinstance(arguments, list) else method(**arguments)
    return {"result": result if isinstance(result, str) else None}


def _set(vcenter: VCenter, body: Mapping[str, Any]) -> object:
    with vcenter.lock:
        for name, value in body.items():
            if name not in SETTINGS + SESSION_SETTINGS:
                raise KeyError(name)
            setattr(vcenter if name in SETTINGS else vcenter.sessions, name, value)
    return {}


def _pace(vcenter: VCenter, body: Mapping[str, Any]) -> object:
    answers = body.get("answers")
    with vcenter.lock:
        vcenter.extractions.pace = Pace(
            None if answers is None else tuple(answers), body.get("seconds", 30.0)
        )
    return {}


_PARTS: dict[str, Callable[[VCenter], object]] = {
    "vcenter": lambda vcenter: vcenter,
    "inventory": lambda vcenter: vcenter.inventory,
    "hosts": lambda vcenter: vcenter.hosts,
    "sessions": lambda vcenter: vcenter.sessions,
}
_HANDLERS: dict[str, Callable[[VCenter, Mapping[str, Any]], object]] = {
    "GET counts": lambda vcenter, _body: vcenter.counts(),
    "GET journal": _journal,
    "GET scenarios": _scenarios,
    "POST scenario": _play,
    "POST fault": _inject,
    "DELETE fault": _clear,
    "POST mutate": _mutate,
    "POST set": _set,
    "POST pace": _pace,
}
