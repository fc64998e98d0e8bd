"""Records what the Azure CLI takes, in az_commands.txt: of each command that a document names.

The Azure CLI has more than 200 packages, and no test installs it. So this runs where it is:

    python -m venv /tmp/az && /tmp/az/bin/pip install azure-cli
    /tmp/az/bin/python -m tests.support.record_az

A command of an extension is written into the file by hand, with its reference; it is kept.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from tests.support.console import documents, invocations_of

TABLE: Final = Path(__file__).with_name("az_commands.txt")  # `command_lines` reads it
_GLOBAL: Final = {"--debug", "--help", "--only-show-errors", "--output", "--query", "--verbose"}
_HIDDEN: Final = {"--cmd", "--acquire-policy-token", "--change-reference"}


def _parsers() -> dict[str, argparse.ArgumentParser]:
    cli = import_module("azure.cli.core").get_default_cli()
    import_module("azure.cli.core.file_util").create_invoker_and_load_cmds_and_args(cli)
    found: dict[str, argparse.ArgumentParser] = {}

    def walk(parser: Any, path: tuple[str, ...]) -> None:
        groups = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
        if not groups:
            found[" ".join(path)] = parser
        for group in groups:
            for name, child in group.choices.items():
                walk(child, (*path, name))

    walk(cli.invocation.parser, ())
    return found


def _line(command: str, parser: argparse.ArgumentParser) -> str:
    options = []
    for action in parser._actions:
        names = sorted(action.option_strings, key=lambda name: (-len(name), name))
        if names and not {*names} & (_GLOBAL | _HIDDEN) and not names[0].startswith("--__"):
            options.append("/".join(names) + ("!" if action.required else ""))
    return f"{command}: {' '.join(sorted(options))}"


def main() -> None:
    known = _parsers()
    version = import_module("azure.cli.core").__version__
    kept = (
        [
            line
            for line in TABLE.read_text(encoding="utf-8").splitlines()
            if " # extension: " in line
        ]
        if TABLE.exists()
        else []
    )
    by_hand = {line.partition(":")[0] for line in kept}
    lines, unknown = set(kept), set()
    for document in documents():
        for each in invocations_of(document):
            if each.program == "az":
                words = [*each.arguments]
                while words and " ".join(words) not in known.keys() | by_hand:
                    words.pop()
                name = " ".join(words)
                if not name:
                    unknown.add(f"{document.name}: {each}")
                elif name in known:
                    lines.add(_line(name, known[name]))
    head = f"""\
# What the Azure CLI {version} takes, of the commands in the documentation: every option with its
# aliases, ! where it is required. By tests/support/record_az.py, from the CLI's own parser; lines
# that name an extension are by hand. Options of all commands: --output/-o --query --help/-h
# --debug --verbose --only-show-errors
"""
    TABLE.write_text(head + "".join(f"{line}\n" for line in sorted(lines)), encoding="utf-8")
    sys.exit("\n".join(["The Azure CLI has no such command:", *sorted(unknown)]) if unknown else 0)


if __name__ == "__main__":
    main()
