"""`make deploy`: what a person said once is kept in deployment.toml, which git ignores, and used again.

Nothing is asked but what has no default: the region, where neither the environment nor AWS's own
configuration names one. Run by the Python of SAM's tools, which have boto3:

    deploying.py settle  keeps what is said, and prints the processor that is to be built for
    deploying.py deploy  hands all of it to `sam deploy`
"""

import argparse
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

HERE = Path(__file__).parent
ARCHITECTURES = ("x86_64", "arm64")
TROUBLE = 2
DEFAULTS: Mapping[str, Any] = {"stack": "esx-drift", "architecture": "x86_64", "parameters": {}, "tags": {}}
HEADING = "# What `make deploy` was told, for the next time. Edit it, or delete it to begin anew.\n"


def main() -> None:
    """Settle what is said, or deploy."""
    parser = argparse.ArgumentParser()
    parser.add_argument("step", choices=["settle", "deploy"])
    parser.add_argument("--answers", type=Path, default=HERE / "deployment.toml")
    for name in ("stack", "region", "architecture", "parameters", "tags"):
        parser.add_argument(f"--{name}", default="")
    given = parser.parse_args()
    if given.step == "settle":
        settled = settle(read_answers(given.answers), vars(given))
        given.answers.write_text(render(settled), "utf-8")
        print(settled["architecture"])  # noqa: T201 -- make reads it
        return
    command = build_command(read_answers(given.answers))
    print(" ".join(command), file=sys.stderr)  # noqa: T201 -- a person sees what is done
    sys.exit(subprocess.run(command, check=False, cwd=HERE).returncode)  # noqa: S603 -- our own arguments


def read_answers(path: Path) -> dict[str, Any]:
    """What was said before; nothing yet if there is no such file."""
    if not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        _fail(f"{path} can't be read: {error}. Mend it, or delete it to begin anew.")


def settle(answers: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What holds: what is given now, over what was said before, over the defaults.

    Args:
        answers: What was said before.
        given: What is given now; empty where it is not. Parameters and tags are pairs `NAME=VALUE`.
    """
    settled: dict[str, Any] = {**DEFAULTS, **answers}
    for name in ("stack", "region", "architecture"):
        if given[name]:
            settled[name] = given[name]
    for name in ("parameters", "tags"):
        settled[name] = {**settled[name], **_parse_pairs(name, given[name])}
    if settled["architecture"] not in ARCHITECTURES:
        _fail(f"ARCH={settled['architecture']}: expected one of {', '.join(ARCHITECTURES)}")
    if "Architecture" in settled["parameters"]:
        _fail("the processor is no parameter here, since the build must fit it: make deploy ARCH=arm64")
    if not settled.get("region"):
        settled["region"] = _find_region() or _ask("AWS region, such as eu-central-1: ")
    return settled


def _parse_pairs(name: str, text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split()]
    for key, equals, _ in pairs:
        if not (key and equals):
            _fail(f"{name}: expected NAME=VALUE, got {key!r}")
    return {key: value for key, _, value in pairs}


def _find_region() -> str | None:
    """The region that AWS's own tools would take. boto3 doesn't know AWS_REGION, which the others do."""
    import boto3  # noqa: PLC0415 -- only where nobody said it

    return os.environ.get("AWS_REGION") or boto3.Session().region_name


def _ask(question: str) -> str:
    if not sys.stdin.isatty():
        _fail("no region: make deploy REGION=eu-central-1, or set AWS_REGION")
    print(question, end="", file=sys.stderr, flush=True)  # noqa: T201 -- stdout is make's
    return sys.stdin.readline().strip() or _fail("no region, nothing deployed")


def render(settled: Mapping[str, Any]) -> str:
    """The answers as TOML."""
    single = [f"{name} = {_quote(settled[name])}" for name in ("stack", "region", "architecture")]
    tables = [
        "\n".join(
            [f"\n[{name}]", *(f"{_quote(key)} = {_quote(value)}" for key, value in settled[name].items())]
        )
        for name in ("parameters", "tags")
    ]
    return HEADING + "\n".join([*single, *tables]) + "\n"


def _quote(text: str) -> str:
    """A text of JSON is one of TOML, but for the last of the control characters."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def build_command(settled: Mapping[str, Any]) -> list[str]:
    """The whole command; nothing in it asks, and nothing writes into the checkout."""
    parameters = {**settled["parameters"], "Architecture": settled["architecture"]}
    tags = [f"{key}={value}" for key, value in settled["tags"].items()]
    return [
        str(HERE / ".tools" / "sam" / "bin" / "sam"),
        "deploy",
        *("--template-file", str(HERE / ".aws-sam" / "build" / "template.yaml")),
        *("--stack-name", settled["stack"], "--region", settled["region"]),
        *("--capabilities", "CAPABILITY_IAM", "--resolve-s3"),
        *("--no-confirm-changeset", "--no-fail-on-empty-changeset"),
        *("--parameter-overrides", *(f"{key}={value}" for key, value in parameters.items())),
        *(("--tags", *tags) if tags else ()),
    ]


def _fail(message: str) -> NoReturn:
    print(message, file=sys.stderr)  # noqa: T201 -- a person reads it
    sys.exit(TROUBLE)


if __name__ == "__main__":
    main()
