"""Canonical forms beside today's: the first one, as it was stored, and two made-up next ones."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from esx_drift.checking import fresh_report
from esx_drift.domain.findings import look_conditions
from esx_drift.domain.images import report as reading
from esx_drift.domain.images import snapshot as upgrading
from esx_drift.domain.images import snapshot as writing
from esx_drift.domain.images.image import build_image
from esx_drift.domain.images.labels import build_labels, name_esxi_release
from esx_drift.domain.stored.types import Image, Labels, Parts, Snapshot

TODAY = writing.CANONICAL_VERSION


@dataclass(frozen=True, slots=True)
class Form:
    """A canonical form: what it makes of an image and of labels, and how it reads the one before."""

    version: int
    image: Callable[[Any, Image], Image] = lambda _info, image: image
    labels: Callable[[Labels], Any] = lambda labels: labels
    step: Callable[[Snapshot], Snapshot] | None = None

    def use(self, patch: pytest.MonkeyPatch) -> None:
        """Be the form of this process, as if its code were deployed."""
        for module in (writing, upgrading):
            patch.setattr(module, "CANONICAL_VERSION", self.version)
        patch.setattr(reading, "build_image", lambda info, order: self.image(info, build_image(info, order)))
        patch.setattr(writing, "build_labels", lambda *known: self.labels(build_labels(*known)))
        if self is FIRST:
            patch.setattr(look_conditions, "name_esxi_release", _name_release)
            patch.setattr(fresh_report, "list_release_names", lambda _: {})
        if self.step is not None:
            patch.setitem(upgrading.UPGRADE_STEPS, self.version - 1, self.step)


def _list_labels(labels: Labels) -> dict[str, dict[str, list[Any]]]:
    return {
        part: {version: [label] for version, label in versions.items()} for part, versions in labels.items()
    }


def _name_release(image: Image, labels: Any) -> str:  # noqa: ANN401 -- labels as they were
    releases = {version: wordings[0] for version, wordings in labels["base_image"].items()}
    return name_esxi_release(image, {"base_image": releases})


def _lower(parts: Parts) -> Parts:
    """Ids of components in lower case, and removed components no longer kept."""
    return {
        part.lower() if part.startswith("component:") else part: value
        for part, value in parts.items()
        if not part.startswith("removed_component:")
    }


def _lower_image(image: Image) -> Image:
    inside = {name: _lower(parts) for name, parts in image["alternatives"].items()}
    return {"main": _lower(image["main"]), "alternatives": inside}


def _lower_labels(labels: Labels) -> Labels:
    """Of hosts that were not seen they are in lower case already."""
    merged: Labels = {}
    for part, versions in sorted(labels.items(), reverse=True):
        name = part.lower() if part.startswith("component:") else part
        merged[name] = merged.get(name, {}) | versions
    return merged


def _lower_snapshot(snapshot: Snapshot) -> Snapshot:
    images = {digest: _lower_image(image) for digest, image in snapshot["images"].items()}
    return {**snapshot, "images": images, "labels": _lower_labels(snapshot["labels"])}


def _add_release_date(info: Any, image: Image) -> Image:  # noqa: ANN401 -- any JSON
    main = {**image["main"], "component:release-date": info["base_image"]["details"]["release_date"]}
    return {**image, "main": main}


FIRST = Form(1, labels=_list_labels)
LOWER_CASE = Form(TODAY + 1, lambda _, image: _lower_image(image), _lower_labels, _lower_snapshot)
WITH_RELEASE_DATE = Form(TODAY + 1, _add_release_date, step=lambda snapshot: snapshot)
"""It keeps what no stored snapshot has: only the archived document knows it."""
