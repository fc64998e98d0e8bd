"""Bad input, for every command: one line names the cause, one the next step, and the exit code is
2, or 1 for what is not there, or 3 for what is unavailable. What needs a server is in
tests/integration/test_bad_input.py."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from core.domain.handles import handle_of
from tests.support.bad_input import (
    COMMANDS,
    FILE,
    HALF,
    HALF_FILE,
    ID,
    ONCALL,
    Bad,
    arguments,
    cases,
    commands,
    keep_records,
    refused,
)
from tests.support.cli import Tidegate

EXPECTED: Final = {
    Bad.TYPO: (2, "no such option: --jsno"),
    Bad.NO_SERVER: (2, "no Temporal server is configured"),
    Bad.NO_PORT: (2, "the address of Temporal has no port: 'localhost'"),
    Bad.NO_QUARANTINE: (2, "TIDEGATE_QUARANTINE is not set"),
    Bad.NO_CONTAINER: (2, "TIDEGATE_QUARANTINE: not azure:// with the names of a storage account"),
    Bad.NO_STACK: (3, "no local stack runs here"),
    Bad.HALF_FILE: (2, "half.yaml:4:1: not YAML"),
    Bad.NO_JSON: (2, "half.yaml is not JSON: Expecting value (line 1, column 1)"),
    Bad.HALF_ROUTES: (2, "half.yaml:4:1: not YAML"),
    Bad.HALF_WEBHOOKS: (2, "half.yaml:4:1: not YAML"),
    Bad.HALF_ONCALL: (2, "half.yaml:4:1: not YAML"),
    Bad.NO_ONCALL: (2, "TIDEGATE_ONCALL is not set"),
    Bad.NO_SCHEDULE: (2, "there is no schedule 'nowhere'; there are checkout"),
    Bad.NO_PERSON: (2, "there is no person 'nobody'; there are ana, ben"),
    Bad.NO_REASON: (2, "say why, as in --why"),
    Bad.NO_MATCH: (2, "say what is silenced with --match service=checkout"),
    Bad.ENDLESS: (2, "give one of --until 08:00 and --for 2h"),
    Bad.PAST: (2, "is in the past"),
    Bad.NOBODY: (2, "it is empty: give a name, as in --by ana"),
    Bad.SOURCE: (2, "'source:prometheus' is not a person: give a name, as in --by ana"),
}
"""Exit code and cause of each kind that needs no server."""


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment in which nothing is wrong yet but that no server runs, and files to name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "20")  # which breaks no line of an error
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    monkeypatch.setenv("TIDEGATE_QUARANTINE", f"file://{tmp_path}/quarantine/")
    monkeypatch.setenv("TIDEGATE_REPORTS", f"file://{tmp_path}/reports/")
    monkeypatch.setenv("TIDEGATE_WEBHOOKS", str(tmp_path / "webhooks.yaml"))
    (tmp_path / "webhooks.yaml").write_text(
        "version: 1\nhooks: {in: {format: message, verify: {scheme: none}}}\n"
    )
    monkeypatch.setenv("TIDEGATE_ONCALL", str(tmp_path / "oncall.yaml"))
    (tmp_path / "oncall.yaml").write_text(ONCALL)
    (tmp_path / "half.yaml").write_text(HALF)
    (tmp_path / "report.json").write_text('{"title": "It burns"}')
    return {FILE: "report.json", HALF_FILE: "half.yaml", ID: "message-1"}


@pytest.fixture
def records(environment: dict[str, str]) -> list[str]:
    """The IDs of two quarantine records."""
    return keep_records()


def test_every_command_is_in_the_table() -> None:
    assert sorted(COMMANDS) == sorted(commands())


def spoil(kind: Bad, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the environment wrong in that way."""
    match kind:
        case Bad.NO_SERVER:
            monkeypatch.delenv("TEMPORAL_ADDRESS")
        case Bad.NO_PORT:
            monkeypatch.setenv("TEMPORAL_ADDRESS", "localhost")
        case Bad.NO_QUARANTINE:
            monkeypatch.delenv("TIDEGATE_QUARANTINE")
        case Bad.NO_CONTAINER:
            monkeypatch.setenv("TIDEGATE_QUARANTINE", "azure://x/y")
        case Bad.HALF_ROUTES:
            monkeypatch.setenv("TIDEGATE_ROUTES", "half.yaml")
        case Bad.HALF_WEBHOOKS:
            monkeypatch.setenv("TIDEGATE_WEBHOOKS", "half.yaml")
        case Bad.HALF_ONCALL:
            monkeypatch.setenv("TIDEGATE_ONCALL", "half.yaml")
        case Bad.NO_ONCALL:
            monkeypatch.delenv("TIDEGATE_ONCALL")
        case _:
            pass


@pytest.mark.parametrize(("name", "kind"), cases(*EXPECTED))
def test_bad_input_ends_with_its_cause_and_a_next_step(
    name: str,
    kind: Bad,
    environment: dict[str, str],
    tidegate: Tidegate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files = environment | ({ID: keep_records()[0]} if name.startswith("quarantine") else {})
    spoil(kind, monkeypatch)
    code, expected = EXPECTED[kind]
    cause, _ = refused(tidegate(*arguments(name, kind, **files)), code)
    assert expected in cause


def test_the_doctor_names_the_variable_of_a_root_that_is_no_place(
    environment: dict[str, str], tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_REPORTS", "s3:///reports/")
    result = tidegate("doctor")
    assert result.code == 1
    assert "TIDEGATE_REPORTS: not s3:// with a bucket's name, like s3://my-bucket/" in " ".join(
        result.out.split()
    )


RECORDS: Final = [each for each in cases(Bad.SEVERAL, Bad.UNKNOWN) if "quarantine" in each[0]]


@pytest.mark.parametrize(("name", "kind"), RECORDS)
def test_a_record_is_named_by_what_fits_one(
    name: str,
    kind: Bad,
    environment: dict[str, str],
    records: list[str],
    tidegate: Tidegate,
) -> None:
    given = "message-" if kind is Bad.SEVERAL else "message-nowhere"
    result = tidegate(*arguments(name, kind, **{ID: given}))
    cause, step = refused(result, 2 if kind is Bad.SEVERAL else 1)
    assert given in cause
    if kind is Bad.SEVERAL:
        assert all(handle_of(id) in cause for id in records)
    else:
        assert "tidegate quarantine list" in step


@pytest.mark.parametrize("group", ["", "incident", "quarantine", "routes"])
def test_a_command_with_a_typo_is_answered_with_the_one_that_is_meant(
    group: str, tidegate: Tidegate
) -> None:
    typos = {"": "doctr", "incident": "shwo", "quarantine": "relpay", "routes": "chekc"}
    meant = {"": "doctor", "incident": "show", "quarantine": "replay", "routes": "check"}
    cause, step = refused(tidegate(*group.split(), typos[group]), 2)
    assert cause == f"UsageError: no such command '{typos[group]}'; did you mean '{meant[group]}'?"
    path = f"tidegate {group}".rstrip()
    assert step == f"`{path} -h` shows its usage"


@pytest.mark.parametrize(
    ("typed", "cause", "usage"),
    [
        ("--vrsion", "no such option: --vrsion; did you mean --version?", "tidegate"),
        ("dev --x", "no such option: --x", "tidegate dev"),
        (
            "dev --cloud gcp",
            "invalid value for '--cloud': 'gcp' is not one of 'aws', 'azure'",
            "tidegate dev",
        ),
        ("dev --port-base 80", "--port-base is not from 1024 to 65529", "tidegate dev"),
        ("incident ack", "missing argument 'id'", "tidegate incident ack"),
        ("incident ack a b", "got unexpected extra argument(s) (b)", "tidegate incident ack"),
    ],
)
def test_wrong_usage_names_what_is_wrong_and_the_help_that_says_more(
    typed: str, cause: str, usage: str, tidegate: Tidegate
) -> None:
    assert refused(tidegate(*typed.split()), 2) == (
        f"UsageError: {cause}",
        f"`{usage} -h` shows its usage",
    )


def test_an_option_without_its_value_is_named(tidegate: Tidegate) -> None:
    assert refused(tidegate("incident", "ack", "k7m2qx", "--by"), 2) == (
        "UsageError: option '--by' requires an argument",
        "add -h instead, which shows the command's usage",
    )


@pytest.mark.parametrize("group", ["", "incident", "quarantine", "routes"])
def test_a_group_without_a_command_prints_its_help(group: str, tidegate: Tidegate) -> None:
    alone, asked = tidegate(*group.split()), tidegate(*group.split(), "-h")
    assert (alone.code, alone.out) == (2, "")
    assert alone.err == asked.out
