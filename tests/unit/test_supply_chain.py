"""The pins, their licences, the SBOMs and what an audit says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.gates import licences as gate
from tests.supply_chain import audit, licences
from tests.supply_chain.pins import (
    AZURITE,
    CONSOLE,
    ROOT,
    TYPESCRIPT,
    Pin,
    environment,
    files,
    npm_pins,
    parse,
    pins,
)
from tests.supply_chain.sbom import ARTEFACTS, Artefact, contents, sbom, write

BY_NAME = {each.name: each for each in ARTEFACTS}


# --------------------------------------------------------------------------------------- pins


def test_a_pin_has_its_hashes_its_marker_and_who_wants_it() -> None:
    text = (
        "# a comment\n"
        "Some_Name==1.2 ; sys_platform == 'win32' \\\n"
        "    --hash=sha256:aa \\\n"
        "    --hash=sha256:bb\n"
        "    # via\n"
        "    #   -c requirements/dev.txt\n"
        "    #   tidegate (pyproject.toml:dev)\n"
        "    #   other\n"
    )
    [pin] = parse(text)
    assert str(pin) == "some-name==1.2"
    assert pin.digests == (("sha256", "aa"), ("sha256", "bb"))
    assert pin.wanted_by == ("other", "tidegate")
    assert not pin.fits(environment("3.13"))


@pytest.mark.parametrize("line", ["name==1.0\n", "name>=1.0 \\\n    --hash=sha256:aa\n", "-e .\n"])
def test_what_is_not_pinned_by_hash_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="neither a pin with hashes"):
        parse(line)


@pytest.mark.parametrize("file", files())
def test_every_file_of_pins_can_be_read(file: str) -> None:
    assert pins(file)


def test_every_dependency_has_its_reason_beside_it() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lists = re.findall(r"^[a-z-]+ = \[\n(.*?)^\]", text[: text.index("[tool.")], re.M | re.S)
    lines = [
        line for each in lists for line in each.splitlines() if re.match(r' +"[a-z].*[<>=]', line)
    ]
    assert len(lines) > 40
    assert not [line.strip() for line in lines if not re.search(r"#\s+\w+", line)]


# ----------------------------------------------------------------------------------- licences


def test_every_pin_has_a_licence_that_is_allowed() -> None:
    assert gate.main() == 0


@pytest.mark.parametrize(
    ("expression", "fine"),
    [
        ("MIT", True),
        ("MIT AND Apache-2.0", True),
        ("GPL-3.0-only", False),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only AND MIT", False),
        ("MIT AND (Apache-2.0 OR GPL-2.0-only)", True),
        ("Apache-2.0 WITH LLVM-exception", False),
    ],
)
def test_an_expression_is_allowed_if_a_choice_of_allowed_licences_satisfies_it(
    expression: str, fine: bool
) -> None:
    assert gate.allowed(expression) is fine


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("GPL-3.0-only", "is not allowed"),
        ("", "is not known"),
        ("Some words", "is no SPDX expression"),
        ("MPL-2.0", "is not allowed"),
    ],
)
def test_the_gate_names_a_package_with_a_licence_that_it_does_not_allow(
    expression: str, fault: str
) -> None:
    [line] = gate.refused({"somebody==1.0": expression})
    assert line.startswith("somebody==1.0: ")
    assert fault in line


def test_an_exception_is_for_one_package_and_one_licence() -> None:
    assert not list(gate.refused({"certifi==1": "MPL-2.0"}))
    assert list(gate.refused({"certifi==1": "GPL-3.0-only"}))


def test_the_gate_names_pins_without_a_licence_and_licences_without_a_pin() -> None:
    found = list(gate.stale({"new==2": "requirements/dev.txt"}, {"old==1": "MIT"}))
    assert [line.split()[0] for line in found] == ["new==2", "old==1"]
    assert all("make licences" in line for line in found)


def test_the_gate_names_a_package_whose_metadata_contradicts_the_list() -> None:
    [line] = gate.contradicted({"a==1": "MIT", "b==1": "MIT"}, {"a==1": "MIT", "b==1": "AGPL-3.0"})
    assert line.startswith("b==1: ")


def test_the_gate_names_exceptions_that_nothing_needs() -> None:
    assert len(list(gate.unused({}))) == len({*gate.EXCEPTIONS, *licences.READ})


# --------------------------------------------------------------------------------------- SBOM


@cache
def made(name: str) -> str:
    return sbom(BY_NAME[name])


def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(made(name))
    return found


def test_the_artefacts() -> None:
    """What each is installed from, the Python packages that it must and must not hold."""
    table = {
        "lambda": ("requirements/aws.txt", "aws-lambda-powertools", "starlette"),
        "lambda-app": ("requirements/aws-app.txt", "mangum", "apprise"),
        "lambda-workers": ("requirements/worker.txt", "apprise", "aws-lambda-powertools"),
        "functions": ("requirements.txt", "azure-functions", "boto3"),
        "functions-app": ("requirements/azure-app.txt", "starlette", "mangum"),
        "worker": ("requirements/worker.txt", "apprise", "typer"),
        "command": ("requirements/command.txt", "typer", "pytest"),
    }
    assert set(table) == set(BY_NAME)
    for name, (file, has, lacks) in table.items():
        names = {pin.name for pin in contents(BY_NAME[name])}
        assert BY_NAME[name].pins == file
        assert {has, "temporalio"} <= names
        assert lacks not in names


@pytest.mark.parametrize("name", BY_NAME)
def test_an_sbom_is_valid(name: str) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(made(name)) is None


def test_an_sbom_is_the_same_in_another_process_and_has_no_time() -> None:
    code = (
        "from tests.supply_chain.sbom import ARTEFACTS, sbom\n"
        "print(sbom(next(each for each in ARTEFACTS if each.name == 'lambda')), end='')"
    )
    again = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert again.stdout == made("lambda")
    assert "timestamp" not in document("lambda")["metadata"]


def test_the_validator_finds_what_the_schema_forbids() -> None:
    broken = made("lambda").replace('"alg": "SHA-256"', '"alg": "SHA-257"', 1)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(broken) is not None


@pytest.mark.parametrize("artefact", ARTEFACTS, ids=lambda each: each.name)
def test_every_component_has_version_address_licence_and_hashes(artefact: Artefact) -> None:
    components = document(artefact.name)["components"]
    kinds = {each["purl"].split("/")[0] for each in components}
    assert "pkg:pypi" in kinds
    assert not [each for each in components if each["name"] == "axe-core"]
    assert ("pkg:npm" in kinds) is bool(artefact.npm)
    for each in components:
        assert each["version"], each["name"]
        if each["type"] == "library":
            assert each["hashes"], each["name"]
            assert each["licenses"], each["name"]


def test_every_component_is_reached_from_the_artefact() -> None:
    found = document("worker")
    edges = {each["ref"]: each.get("dependsOn", []) for each in found["dependencies"]}
    reached: set[str] = set()
    ahead = [found["metadata"]["component"]["bom-ref"]]
    while ahead:
        ref = ahead.pop()
        if ref not in reached:
            reached.add(ref)
            ahead += edges[ref]
    assert {each["bom-ref"] for each in found["components"]} <= reached


def test_the_serial_number_follows_from_the_contents() -> None:
    numbers = {name: document(name)["serialNumber"] for name in BY_NAME}
    assert len(set(numbers.values())) == len(numbers)
    other = replace(BY_NAME["functions"], pins="requirements/worker.txt")
    assert json.loads(sbom(other))["serialNumber"] != numbers["functions"]


@pytest.mark.parametrize("name", ["lambda", "lambda-app", "lambda-workers"])
def test_packages_that_the_makefile_removes_are_not_in_a_lambda_package(name: str) -> None:
    names = {pin.name for pin in contents(BY_NAME[name])}
    assert "types-protobuf" not in names
    assert "types-protobuf" in {pin.name for pin in pins(BY_NAME[name].pins)}
    makefile = (ROOT / "functions_aws" / "Makefile").read_text(encoding="utf-8")
    assert f": PINS := {BY_NAME[name].pins}\n" in makefile


def test_the_files_are_named_after_their_artefacts(tmp_path: Path) -> None:
    assert [path.name for path in write(tmp_path)] == [f"{name}.cdx.json" for name in BY_NAME]


def test_the_app_in_the_image_is_installed_from_the_pins_of_its_sbom() -> None:
    dockerfile = (ROOT / "workers" / "Dockerfile").read_text(encoding="utf-8")
    assert f"COPY {BY_NAME['worker'].pins} " in dockerfile


# -------------------------------------------------------------------------------------- audit


def reported(**packages: Any) -> str:
    found = [{"name": name, "version": "1", **each} for name, each in packages.items()]
    return json.dumps({"dependencies": found})


def test_an_audit_without_advisories_is_clean() -> None:
    assert audit.verdict([reported(a={"vulns": []})], 1) == (
        audit.CLEAN,
        ["1 packages, no known advisory"],
    )


def test_an_audit_names_what_has_an_advisory() -> None:
    known = {"vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}, {"id": "X-2", "fix_versions": []}]}
    code, lines = audit.verdict([reported(a=known), reported(b={"vulns": []})], 2)
    assert code == audit.ADVISORIES
    assert lines == ["a==1: PYSEC-1, fixed in 2", "a==1: X-2, fixed in no version yet"]


@pytest.mark.parametrize(
    ("report", "says"),
    [
        (reported(a={"vulns": []}, b={"skip_reason": "not found"}), "1 of 2 packages"),
        (reported(a={"vulns": []}), "1 of 2 packages"),
        ("", "gave no report"),
        ("[]", "gave no report"),
    ],
)
def test_an_audit_that_could_not_look_everything_up_is_no_success(report: str, says: str) -> None:
    code, lines = audit.verdict([report], 2)
    assert code == audit.UNKNOWN
    assert says in lines[-1]


def test_every_version_of_every_pin_is_audited_whatever_the_environment() -> None:
    both = [
        Pin("a", "1", (("sha256", "aa"),), marker="sys_platform == 'win32'"),
        Pin("a", "2", (("sha256", "bb"),)),
        Pin("b", "1", (("sha256", "cc"),)),
        Pin("b", "1", (("sha256", "cc"),)),
    ]
    assert audit.batches(both) == [
        "a==1 --hash=sha256:aa\nb==1 --hash=sha256:cc\n",
        "a==2 --hash=sha256:bb\n",
    ]


@pytest.mark.parametrize("lock", [AZURITE, CONSOLE, TYPESCRIPT])
def test_npm_pins_have_digests_in_hexadecimal(lock: str) -> None:
    for pin, _ in npm_pins(lock):
        [(algorithm, digest)] = pin.digests
        assert algorithm == "sha512"
        assert len(digest) == 128
