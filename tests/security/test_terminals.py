"""Control characters of senders reach neither a terminal nor a log as they are."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from core import bootstrap
from core.cli import console
from core.cli.main import app, main
from core.config.settings import Settings
from core.domain.printable import printable, printable_line, to_json
from core.errors import InvalidEvent
from core.formats.shared.delivery import Arrival, Delivery, Malformed
from core.intake.receipts import Receipt, Verdict
from functions_azure import telemetry as azure
from workers.runtime import logs

ATTACK = "\x1b]52;c;cm0gLXJmIC8K\x07\x1b[2J\x9b31m\u202egpj.exe\u2066\x7f\u2028\x00"
UNSAFE = {*map(chr, [*range(9), *range(11, 32), *range(0x7F, 0xA0)])} | set(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029"
)


def is_safe(text: str) -> bool:
    return not UNSAFE & set(text) and not any("\ud800" <= each <= "\udfff" for each in text)


@given(st.text(st.characters(exclude_categories=())))
def test_what_is_printable_is_safe_and_says_what_it_was(text: str) -> None:
    assert is_safe(printable(text))
    assert "\n" not in printable_line(text)
    assert "\t" not in printable_line(text)
    kept = "".join(each for each in text if is_safe(each))
    assert printable(kept) == kept
    assert is_safe(to_json({text: [text]}))
    assert json.loads(to_json({text: [text]}, indent=2)) == {text: [text]}


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The ID of a quarantined original whose every field holds the attack."""
    root = f"file://{tmp_path}/quarantine"
    monkeypatch.setenv("TIDEGATE_QUARANTINE", root)
    delivery = Delivery(
        format="message",
        body=f"{{not json {ATTACK}".encode(),
        headers={"message-id": ATTACK, "content-type": ATTACK},
        unique=ATTACK,
    )
    error = InvalidEvent(f"why {ATTACK}")
    quarantine = bootstrap.quarantine(Settings(quarantine=root))
    import asyncio

    uri = asyncio.run(quarantine.keep(Arrival(Malformed(error), delivery), error))
    return uri.rpartition("/")[2].removesuffix(".json")


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("command", ["list", "show"])
def test_the_quarantine_is_shown_without_them(
    record: str, command: str, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["quarantine", command, *([record] if command == "show" else []), *options]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    shown = result.output + capsys.readouterr().out
    assert "why" in shown
    assert is_safe(shown)


def test_an_event_is_explained_without_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "event.json"
    wire = {"specversion": "1.0", "id": ATTACK, "source": ATTACK, "type": "t", "subject": ATTACK}
    file.write_text(json.dumps(wire))
    shown = CliRunner().invoke(app, ["explain", str(file)]).output + capsys.readouterr().out
    assert "gpj.exe" in shown
    assert is_safe(shown)


def test_an_error_is_printed_without_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(prog_name: str, standalone_mode: bool) -> None:
        raise InvalidEvent(ATTACK, fix=ATTACK)

    monkeypatch.setattr("core.cli.main.app", fail)
    with pytest.raises(SystemExit):
        main()
    shown = capsys.readouterr().err
    assert "gpj.exe" in shown
    assert is_safe(shown)


def test_styles_stay_where_text_loses_its_own() -> None:
    file = io.StringIO()
    terminal = Console(file=file, force_terminal=True, color_system="standard", highlight=False)
    terminal.push_render_hook(console._AllPrintable())
    terminal.print("[red]stop[/]\x1b[32mgo")
    assert file.getvalue() == "\x1b[31mstop\x1b[0m\\x1b[32mgo\n"


def test_a_workers_log_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers = root.handlers[:]
    levels = {each: each.level for each in (root, *map(logging.getLogger, logs._VERBOSE))}
    try:
        logs.configure("INFO")
        logging.getLogger("a").warning("überall %s", ATTACK)
        [line] = capsys.readouterr().out.splitlines()
    finally:
        root.handlers[:] = handlers
        for logger, level in levels.items():
            logger.setLevel(level)
    assert is_safe(line)
    assert "überall" in line
    assert json.loads(line)["message"] == f"überall {ATTACK}"


def test_azures_log_has_one_line_for_a_receipt(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    arrival = Arrival(
        Malformed(InvalidEvent("why")),
        Delivery(format="message", body=b"", headers={"message-id": "1"}, unique="u"),
    )
    forged = f"a\nevent started: forged\r{ATTACK}"
    azure.record(arrival, Receipt(verdict=Verdict.STARTED, key=forged))
    azure.record(arrival, Receipt(verdict=Verdict.QUARANTINED, reason=forged))
    assert len(caplog.records) == 2
    for logged in caplog.records:
        assert "\n" not in logged.getMessage()
        assert is_safe(logged.getMessage())
