"""Whether AWS's command lines take these arguments, by their own parsers and without a network.

    .venv-deploy/bin/python tests/support/aws_command_lines.py < COMMANDS

COMMANDS is a JSON array of arrays like ["aws", "sqs", "list-queues"]; the answer is an array of
what is wrong with each, empty where nothing is. Runs in the environment of the deployment tools,
which holds the AWS CLI 1. What only its version 2 has is named here, after its reference.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

_REACHED: Final = "these arguments would be sent"
_ONLY_IN_2: Final[dict[tuple[str, ...], set[str]]] = {
    # https://docs.aws.amazon.com/cli/latest/reference/logs/tail.html
    ("logs", "tail"): {
        *("--since", "--follow", "--format", "--filter-pattern"),
        *("--log-stream-names", "--log-stream-name-prefix"),
    },
}
_GLOBAL: Final = {"--region", "--profile", "--output", "--query", "--no-cli-pager"}


def _aws_driver() -> Any:
    """The AWS CLI, stopped where it would send the request that it has built and validated."""

    def stop(**_: Any) -> None:
        raise ConnectionAbortedError(_REACHED)

    def check(params: dict[str, Any], model: Any, **_: Any) -> None:
        if wrong := ", ".join(_foreign(params, model.input_shape)):
            raise ValueError(wrong)

    driver = import_module("awscli.clidriver").create_clidriver()
    driver.session.register("before-parameter-build", check)
    driver.session.register("before-call", stop)
    return driver


def _foreign(value: Any, shape: Any) -> Iterator[str]:
    """What is not among the values that the API knows. The AWS CLI leaves that to the API."""
    match value:
        case dict() if shape.type_name == "map":
            for key, child in value.items():
                yield from (*_foreign(key, shape.key), *_foreign(child, shape.value))
        case dict():
            for key, child in value.items():
                if key in shape.members:  # the CLI itself refuses others
                    yield from _foreign(child, shape.members[key])
        case list():
            for child in value:
                yield from _foreign(child, shape.member)
        case str() if value not in (getattr(shape, "enum", None) or [value]):
            yield f"{value} is not among {', '.join(shape.enum)}"
        case _:
            pass


def _without_abbreviations() -> None:
    """Has argparse refuse `--stack-nam`, which it takes for `--stack-name` otherwise."""
    argparse.ArgumentParser._get_option_tuples = lambda *_: []  # type: ignore[method-assign]


def _aws(driver: Any, arguments: list[str]) -> str:
    if known := _ONLY_IN_2.get(tuple(arguments[:2])):
        options = {word for word in arguments if word.startswith("--")}
        return ", ".join(f"{option}?" for option in sorted(options - known - _GLOBAL))
    contents = ("{}", "[]") if any(word.startswith("file://") for word in arguments) else ("",)
    return min((_answer(driver, arguments, content) for content in contents), key=len)


def _answer(driver: Any, arguments: list[str], content: str) -> str:
    """What is wrong with a command whose `file://` arguments have this content."""
    for word in arguments:
        if word.startswith("file://"):
            Path(word.removeprefix("file://")).write_text(content, encoding="utf-8")
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            code = driver.main(["--region", "eu-west-1", *arguments])
        except SystemExit as exited:
            code = exited.code
    text = said.getvalue().strip()
    if code == 0 or _REACHED in text:
        return ""
    if "--cli-input-json" in arguments and "Missing required parameter" in text:
        return ""  # what the file would hold
    return (text.partition("error: ")[2] or text.partition("usage: ")[0] or text)[:300]


def _sam(arguments: list[str]) -> str:
    click = import_module("click")
    command, rest = import_module("samcli.cli.main").cli, arguments
    context = click.Context(
        command, info_name="sam", obj="anything: SAM then loads a command's options"
    )
    try:
        while hasattr(command, "get_command"):
            name, *rest = rest or ["(no command)"]
            command = command.get_command(context, name)
            if command is None:
                return f"{name}?"
            context = click.Context(command, info_name=name, parent=context)
        _, remaining, _ = command.make_parser(context).parse_args(list(rest))
    except click.ClickException as error:
        return str(error.format_message())
    return f"{remaining}?" if remaining else ""


def main() -> None:
    commands = json.load(sys.stdin)
    os.chdir(tempfile.mkdtemp())
    logging.disable()
    _without_abbreviations()
    driver = _aws_driver()
    found = [_aws(driver, each[1:]) if each[0] == "aws" else _sam(each[1:]) for each in commands]
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
