"""Starts the emulator, with what our template needs of AWS and it lacks.

Run by the Python of its own tools, and by nothing else: `.tools/aws/bin/python emulator.py`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from ministack.app import main
from ministack.core import iam_actions
from ministack.services.cloudformation import provisioners

CONDITIONAL_HEADERS = ("if-match", "if-none-match")

type Context = dict[str, Any]
type ReadContext = Callable[[str, Mapping[str, Any], str, Mapping[str, str]], Context]


def add_conditional_writes(read: ReadContext) -> ReadContext:
    """Let policies ask whether a write is conditional, as S3's condition keys do.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
    """

    def read_more(action: str, query: Mapping[str, Any], path: str, headers: Mapping[str, str]) -> Context:
        sent = {f"s3:{name}": headers[name] for name in CONDITIONAL_HEADERS if headers.get(name)}
        return {**read(action, query, path, headers), **(sent if action == "s3:PutObject" else {})}

    return read_more


def make_nothing(name: str, properties: Mapping[str, Any], stack: str) -> tuple[str, Context]:
    """Stand in for a resource that nothing of the product's work depends on."""
    return f"{stack}-{name}-{len(properties)}", {}


iam_actions._s3_object_context = add_conditional_writes(iam_actions._s3_object_context)  # noqa: SLF001
provisioners._RESOURCE_HANDLERS["AWS::Logs::QueryDefinition"] = {  # noqa: SLF001
    "create": make_nothing,
    "delete": lambda *_: None,
}

if __name__ == "__main__":
    main()
