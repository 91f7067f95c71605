"""Plays the timeline through the deployed product. Ends in 0 only if exactly what was expected arrived."""

import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from rich.console import Console

from tests.lab.demo.artefacts import leave, summary
from tests.lab.demo.scene import Scene
from tests.lab.demo.terminal import panel_of
from tests.lab.demo.timeline import Step, data_centre, timeline
from tests.lab.local_aws.local_aws import LocalAws
from tests.lab.local_aws.rig import rigged
from tests.lab.local_aws.stack import QUIET, SLACK_ON_LOOPBACK, Stack, deploy, package
from tests.lab.local_aws.tap import Tap, tapped
from tests.simulator.certificates import authority

LEFT = Path("build/demo")
PARAMETERS = QUIET | SLACK_ON_LOOPBACK
"""The demo's own steps take the schedule's place; its Slack is on this machine."""


def main() -> int:
    """The exit code."""
    console = Console()
    shutil.rmtree(LEFT, ignore_errors=True)
    own = authority(datetime.now(UTC), "Demo CA")
    with ExitStack() as ending:
        with timed(console, "Starting a local AWS"):
            local_aws = ending.enter_context(LocalAws(LEFT / "aws", own, datetime.now(UTC)))
        with timed(console, "Uploading the built application to a local AWS"):
            packaged = package(local_aws)
        with timed(console, "Deploying template.yaml"):
            stack = deploy(local_aws, packaged, "esx-drift", PARAMETERS)
        with rigged(stack, own, LEFT / "aws") as rig:
            return play(console, stack, Scene(rig, open_shell(local_aws, stack)))


def open_shell(local_aws: LocalAws, stack: Stack) -> dict[str, str]:
    """The environment of a person who may do all in the local AWS."""
    access_key, secret_key = stack.as_user("*", name="alice").key
    return {
        **local_aws.environment,
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
    }


def play(console: Console, stack: Stack, scene: Scene) -> int:
    """Play every step, leave the artefacts, and say whether all was as expected."""
    rig = scene.rig
    for name, vcenter in data_centre().items():
        rig.add_vcenter(name, vcenter)
    rig.put_fleet(rig.fleet())
    tap = tapped(stack)
    wrong = [*_list_wrong(console, scene, tap)]
    # What is checked once a vCenter is back is sealed as well.
    rig.await_quiet("CheckQueue", "NotifyQueue", "DeliveryQueue")
    rig.seal()
    leave(LEFT, rig, tap.events)
    console.print(f"\n{summary(rig, tap.events)} are in {LEFT}/", highlight=False)
    if not wrong:
        console.print("All that was expected arrived, and nothing else.")
    for line in wrong:
        console.print(f"[red]Not as expected:[/] {line}", highlight=False)
    if wrong:
        functions = ("Dispatcher", "Checker", "Notifier", "Sender", "Reporter", "Sealer")
        for function in (f"{name}Function" for name in functions):
            (LEFT / f"{function}.log").write_text("\n".join(stack.log_of(function)))
        console.print(f"What the functions said is in {LEFT}/*Function.log.", highlight=False)
        console.print("If this machine was busy with other things, play it again.")
    return 1 if wrong else 0


def _list_wrong(console: Console, scene: Scene, tap: Tap) -> Iterator[str]:
    """Play the steps, and list what was not as expected; what never comes ends it."""
    for number, step in enumerate(timeline(), 1):
        try:
            yield from _played(console, number, step, scene, tap)
        except TimeoutError as error:
            yield f"step {number}: {error}"
            return


def _played(console: Console, number: int, step: Step, scene: Scene, tap: Tap) -> Iterator[str]:
    """Play one step and show what came of it; what was not expected, line by line."""
    slack = scene.rig.slack
    heard = len(slack.received)
    console.print(f"\n[bold]{number}.[/] {step.title}", highlight=False)
    with console.status("Looking"):
        step.act(scene)
        step.look(scene)
        events = tap.await_events(len(step.topic))
        scene.rig.await_quiet("NotifyQueue", "DeliveryQueue")
    messages = slack.accepted[heard:]
    for payload in messages:
        console.print(panel_of(payload))
    if not messages:
        console.print("   [dim]Looked, and nothing to tell.[/]")
    came = Counter((event["subject"], event["type"].removeprefix("esx-drift.")) for event in events)
    expected = Counter(step.topic)
    yield from (f"step {number}: {subject} {what} did not come" for subject, what in expected - came)
    yield from (f"step {number}: {subject} {what} came, unexpected" for subject, what in came - expected)
    titles = [str(payload["text"]) for payload in messages]
    if not _are_said(titles, step.says):
        yield f"step {number}: Slack heard {titles}, and not {[*step.says]}"


def _are_said(titles: Sequence[str], says: Sequence[str]) -> bool:
    """Whether there is a title for each of what must be said, in any order, and no other."""
    return len(titles) == len(says) and all(any(said in title for title in titles) for said in says)


@contextmanager
def timed(console: Console, what: str) -> Iterator[None]:
    """Say at once what is being done, and then how long it took."""
    began = monotonic()
    if console.is_terminal:
        with console.status(what):
            yield
        console.print(what, end="", highlight=False)
    else:
        console.print(what, end="", highlight=False)
        console.file.flush()
        yield
    console.print(f": {monotonic() - began:.0f} s", highlight=False)


if __name__ == "__main__":
    sys.exit(main())
