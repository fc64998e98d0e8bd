"""`tidegate oncall import`: another product's people, schedules and escalations become files."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from core.cli.console import EXIT_FAILED, Json, out, print_json, print_next, print_text
from core.cli.payload_file import STANDARD_INPUT, read_payload
from core.domain.text import counted
from core.errors import ConfigurationError

if TYPE_CHECKING:
    from core.operations.oncall_import.files import Imported


class ProductName(StrEnum):
    """What can be imported from, as in the registry of products."""

    OPSGENIE = "opsgenie"
    PAGERDUTY = "pagerduty"
    GRAFANA_ONCALL = "grafana-oncall"
    GOALERT = "goalert"


def import_(
    product: Annotated[ProductName, typer.Argument(help="Where the export is from.")],
    file: Annotated[
        Path,
        typer.Argument(
            help="The export, as JSON: the guide to importing has the commands that make it."
        ),
    ],
    into: Annotated[
        Path | None,
        typer.Option("--out", help="The folder to write the files to. Default: none are written."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Turn an export of another product into oncall.yaml and policies.yaml.

    Lists what could not be translated and where it is in the export, the variables to set, and the
    overrides to add. Addresses are neither printed nor written: each becomes a variable. Exits with
    1 if nothing could be imported."""
    from core.operations.oncall_import.translate import translate

    name = "standard input" if file == STANDARD_INPUT else str(file)
    imported = translate(product, read_payload(file), name, datetime.now(UTC))
    written = _write(imported, into) if into and imported else []
    if as_json:
        print_json(_as_json(imported, written))
    else:
        _print(imported, written)
    if not imported:
        raise typer.Exit(EXIT_FAILED)


def _write(imported: Imported, into: Path) -> list[Path]:
    """Write the files to a folder. Raises `ConfigurationError` if one of them is there already."""
    texts = {
        "oncall.yaml": imported.oncall,
        "policies.yaml": imported.policies,
        "oncall.env": imported.environment,
        "overrides.sh": "".join(f"{command}\n" for command in imported.commands),
    }
    files = {into / name: text for name, text in texts.items() if text}
    for path in files:
        if path.exists():
            raise ConfigurationError(f"{path} exists", fix="name another folder, or remove it")
    into.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    return list(files)


def _as_json(imported: Imported, written: list[Path]) -> dict[str, object]:
    return {
        "written": [str(path) for path in written],
        **asdict(imported),
    }


def _print(imported: Imported, written: list[Path]) -> None:
    counts = (
        counted(imported.people, "person", "people"),
        counted(imported.teams, "team"),
        counted(imported.schedules, "schedule"),
        counted(imported.escalations, "policy", "policies"),
    )
    out.print(f"imported: {', '.join(counts)}", soft_wrap=True)
    for path in written:
        out.print(f"written: {escape(str(path))}", soft_wrap=True)
    _print_list("to set", [f"{each.name}: {each.what}" for each in imported.variables])
    _print_list("to run", imported.commands)
    for remark in imported.remarks:
        out.print()
        place = remark.place or "the export"
        out.print(f"[yellow]{escape(place)}[/yellow]: {escape(remark.what)}", soft_wrap=True)
        if remark.todo:
            print_next(remark.todo)
    if imported and not written:
        out.print()
        print_next("add --out FOLDER, which writes the files")
    elif written:
        out.print()
        [oncall] = [path for path in written if path.name == "oncall.yaml"]
        print_next(f"set the variables, and check the file with `tidegate oncall check {oncall}`")


def _print_list(title: str, lines: list[str] | tuple[str, ...]) -> None:
    if lines:
        out.print(f"\n{title}:")
        for line in lines:
            print_text(f"  {line}")
