"""What `tidegate contract` prints, in each language by that language's own tools: it is well formed
and typed strictly, every recorded event is of its types, and one with a fault is not."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, get_type_hints, is_typeddict

import pytest
from temporalio.converter import DataConverter

from core.operations.contract.events import ATTRIBUTES, EVENTS, OTHER_NAME, SHAPES
from infra.local.npm import node
from tests.support.cli import Tidegate
from tests.support.contract import name_of, recorded
from tests.support.npm_packages import TSC, TYPESCRIPT
from tests.support.programs import program

RECORDED: Final = recorded()
TYPES: Final = (*(each.name for each in EVENTS), OTHER_NAME)


def run(command: Sequence[str | Path], folder: Path, **env: str) -> tuple[int, str]:
    """How a program ends, and what it prints."""
    ran = subprocess.run(
        command,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    return ran.returncode, ran.stdout


# -------------------------------------------------------------------------------------- Python

SWITCH_IN_PYTHON: Final = """
from events import Alert, DocumentCreated, OwnEvent


def subject(event: OwnEvent) -> str:
    if event["type"] == "tidegate.alert":
        return event["data"]["key"]
    if event["type"] == "tidegate.document.created":
        return event["data"]["document"]["uri"]
    return event.get("subject", event["id"])


def status(event: Alert) -> str | None:
    return event["data"].get("status")


def size(event: DocumentCreated) -> int:
    return event["data"]["document"].get("size", 0)
"""


@pytest.fixture
def names(tmp_path: Path, tidegate: Tidegate) -> dict[str, Any]:
    """The names in the module that is printed."""
    file = tmp_path / "printed_events.py"
    file.write_text(tidegate("contract", "python").out)
    return runpy.run_path(str(file))


def test_every_event_and_shape_is_a_typed_dictionary_with_the_same_fields(
    names: dict[str, Any],
) -> None:
    for shape in (ATTRIBUTES, *SHAPES):
        kind = names[shape.name]
        assert is_typeddict(kind)
        assert kind.__required_keys__ == {each.name for each in shape.fields if each.required}
        assert set(get_type_hints(kind)) == {each.name for each in shape.fields}
    for event in EVENTS:
        of_all = names[ATTRIBUTES.name].__required_keys__
        own = {"type", "data"} if event.required else {"type"}
        assert names[event.name].__required_keys__ == of_all | own


def test_temporals_converter_reads_every_recorded_event_as_its_type(names: dict[str, Any]) -> None:
    any_event = names["OwnEvent"] | names[OTHER_NAME]
    converter = DataConverter.default.payload_converter
    for name, wire in RECORDED.items():
        payloads = converter.to_payloads([wire])
        for hint in (names[name_of(wire)], any_event):
            assert converter.from_payloads(payloads, [hint]) == [wire], name


@pytest.mark.parametrize("type", ["tidegate.alert", "com.example.order"])
def test_the_converter_reads_no_event_of_another_type(names: dict[str, Any], type: str) -> None:
    [wire, *_] = (each for each in RECORDED.values() if name_of(each) == "DocumentCreated")
    converter = DataConverter.default.payload_converter
    payloads = converter.to_payloads([wire | {"type": type}])
    with pytest.raises(TypeError, match="Failed converting value for key 'type'"):
        converter.from_payloads(payloads, [names["DocumentCreated"]])


def test_mypy_tells_the_events_apart(tmp_path: Path, tidegate: Tidegate) -> None:
    (tmp_path / "events.py").write_text(tidegate("contract", "python").out)
    user = tmp_path / "user.py"
    strict = (sys.executable, "-m", "mypy", "--strict", "--config-file=", "events.py", "user.py")
    user.write_text(SWITCH_IN_PYTHON)
    assert run(strict, tmp_path) == (0, "Success: no issues found in 2 source files\n")
    user.write_text(SWITCH_IN_PYTHON.replace('["document"]["uri"]', '["key"]'))
    code, said = run(strict, tmp_path)
    assert code
    assert 'TypedDict "DocumentData" has no key "key"' in said


# ---------------------------------------------------------------------------------- TypeScript

SWITCH_IN_TYPESCRIPT: Final = """
export function subject(event: OwnEvent): string {
  switch (event.type) {
    case "tidegate.alert":
      return event.data.key;
    case "tidegate.document.created":
      return event.data.document.uri;
    case "tidegate.heartbeat":
      return event.data.status === "failed" ? event.data.output ?? "" : "ok";
    default:
      // @ts-expect-error: it has no such field
      return event.data.key;
  }
}

export const order: OtherEvent<{ total: number }> = {
  specversion: "1.0", id: "1", source: "/shop", type: "com.example.order", tidegatekey: "k",
  traceparent: "00-1", data: { total: 3 },
};

// @ts-expect-error: it has no data
export const empty: Alert = { ...order, type: "tidegate.alert", data: undefined };

// @ts-expect-error: it is of another type
export const other: Alert = { ...order, type: "tidegate.heartbeat", data: { key: "", source: "" } };

// @ts-expect-error: it has no identity
export const keyless: OtherEvent = { specversion: "1.0", id: "1", source: "/a", type: "a" };
"""


def test_the_compiler_takes_every_recorded_event_and_tells_them_apart(
    tmp_path: Path, tidegate: Tidegate
) -> None:
    (tmp_path / "events.ts").write_text(tidegate("contract", "typescript").out)
    constants = [
        f"export const recorded{number}: {name_of(wire)} = {json.dumps(wire)};"
        for number, wire in enumerate(RECORDED.values())
    ]
    types = ", ".join(("OwnEvent", *TYPES))
    head = f'import type {{ {types} }} from "./events.ts";'
    (tmp_path / "user.ts").write_text("\n".join([head, SWITCH_IN_TYPESCRIPT, *constants]))
    compiler = TYPESCRIPT.install() / TSC
    options = ("--strict", "--noEmit", "--module", "nodenext", "--allowImportingTsExtensions")
    assert run((node(), compiler, *options, "user.ts"), tmp_path) == (0, "")


# ------------------------------------------------------------------------------------------ Go

PROGRAM: Final = """
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"example.com/user/tidegate"
)

func again[Data any](wire []byte) string {
	var event tidegate.Event[Data]
	decoder := json.NewDecoder(bytes.NewReader(wire))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&event); err != nil {
		return err.Error()
	}
	text, _ := json.Marshal(event)
	return string(text)
}

func main() {
	var wires []json.RawMessage
	if err := json.NewDecoder(os.Stdin).Decode(&wires); err != nil {
		panic(err)
	}
	for _, wire := range wires {
		var event tidegate.OtherEvent
		if err := json.Unmarshal(wire, &event); err != nil {
			panic(err)
		}
		switch event.Type {
CASES
		default:
			fmt.Println(again[json.RawMessage](wire))
		}
	}
}
"""


def known(wire: Mapping[str, Any]) -> dict[str, Any]:
    """The event as a struct has it: without extensions, and without what is empty in its data."""
    names = {each.name for each in ATTRIBUTES.fields} | {"type"}
    event = {name: value for name, value in wire.items() if name in names}
    data = wire.get("data")
    if isinstance(data, dict) and event["type"].startswith("tidegate."):
        data = {name: value for name, value in data.items() if value not in ("", {}, [], False)}
    return {**event, "data": data}


def test_go_reads_every_recorded_event_and_loses_nothing_of_it(
    tmp_path: Path, tidegate: Tidegate
) -> None:
    go, gofmt = program("go", package="golang-go"), program("gofmt", package="golang-go")
    printed = tidegate("contract", "go").out
    package = tmp_path / "tidegate"
    package.mkdir()
    (package / "events.go").write_text(printed)
    assert run((gofmt, "-d", "tidegate"), tmp_path) == (0, "")
    cases = [
        f"\t\tcase tidegate.Type{event.name}:\n\t\t\tfmt.Println(again[{data}](wire))"
        for event in EVENTS
        for data in (re.findall(rf"^type {event.name} = Event\[(.+)\]$", printed, re.M))
        for data in (data if "." in data else f"tidegate.{data}",)
    ]
    assert len(cases) == len(EVENTS)
    (tmp_path / "main.go").write_text(PROGRAM.replace("CASES", "\n".join(cases)))
    (tmp_path / "go.mod").write_text("module example.com/user\n\ngo 1.18\n")
    environment = {"GOCACHE": str(tmp_path / "cache"), "GOFLAGS": "-mod=mod", "GOPROXY": "off"}
    assert run((go, "vet", "./..."), tmp_path, **environment) == (0, "")
    assert run((go, "build", "-o", "user", "."), tmp_path, **environment) == (0, "")
    own = {each.name for each in ATTRIBUTES.fields} | {"type", "data"}
    wires = [{n: value for n, value in w.items() if n in own} for w in RECORDED.values()]
    ran = subprocess.run(
        [tmp_path / "user"], input=json.dumps(wires), capture_output=True, text=True, check=True,
        timeout=60,
    )  # fmt: skip
    read = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [known(wire) for wire in read] == [known(wire) for wire in RECORDED.values()]
