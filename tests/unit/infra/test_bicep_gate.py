"""The gate of the Azure templates: with the compiler, with another version of it, and without."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.gates import bicep, bicep_compiler
from tests.support.bicep import COMPILER, needs_compiler, rewrite

TEMPLATE = """\
param name string

@secure()
param key string

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: resourceGroup().location
  tags: { length: string(length(key)) }
}

output b string = name
output d string = name
output a string = name
output c string = name
"""
EXAMPLE = """\
using 'main.bicep'

param name = 'id-example'
param key = readEnvironmentVariable('EXAMPLE_KEY', '')
"""


@pytest.fixture(scope="module")
def passing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A template, its example, and the snapshot that the gate has made of it."""
    folder = tmp_path_factory.mktemp("passing") / "azure"
    folder.mkdir()
    (folder / "main.bicep").write_text(TEMPLATE, encoding="utf-8")
    (folder / "main.dev.bicepparam").write_text(EXAMPLE, encoding="utf-8")
    if COMPILER:
        assert bicep.renew(folder, COMPILER) == []
    else:
        (folder / "snapshots").mkdir()
        (folder / "snapshots/main.dev.snapshot.json").write_text("{}", encoding="utf-8")
        bicep.write_digests(folder)
    return folder


@pytest.fixture
def folder(passing: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(passing, tmp_path / "azure"))


def program(folder: Path, version: str) -> Path:
    """A compiler of another version, which finds nothing."""
    path = folder / "bicep"
    path.write_text(
        f"#!{sys.executable}\nimport sys\n"
        f"if '--version' in sys.argv:\n    print('Bicep CLI version {version} (abc)')\n"
    )
    path.chmod(0o755)
    return path


@pytest.fixture(scope="module")
def failing(passing: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The faults of a folder with one of each kind."""
    folder = Path(shutil.copytree(passing, tmp_path_factory.mktemp("failing") / "azure"))
    rewrite(folder / "main.bicep", "  name: name", "  name:name")
    rewrite(folder / "main.bicep", "param name", "param spare string = ''\n\nparam name")
    rewrite(folder / "main.dev.bicepparam", "id-example", "id-other")
    shutil.copy(folder / "main.dev.bicepparam", folder / "main.new.bicepparam")
    return bicep.faults(folder, COMPILER)


@needs_compiler
@pytest.mark.parametrize(
    "fault",
    [
        'main.bicep(1,7) : Warning no-unused-params: Parameter "spare" is declared but never used.',
        "main.bicep: not formatted; run `bicep format main.bicep`",
        "main.dev.bicepparam deploys something else than its snapshot: run `make snapshots`",
        "main.new.bicepparam has no snapshot: run `make snapshots`",
        "main.bicep was changed after the snapshots were made: run `make snapshots`",
    ],
)
def test_every_fault_is_reported(fault: str, failing: list[str]) -> None:
    assert fault in failing


@needs_compiler
def test_the_difference_from_a_snapshot_is_shown(failing: list[str]) -> None:
    assert any("id-example" in line for line in failing)
    assert any("id-other" in line for line in failing)


@needs_compiler
def test_a_snapshot_is_the_same_for_everybody(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And holds no secret of whoever has made it."""
    assert COMPILER
    before = (folder / "snapshots/main.dev.snapshot.json").read_text(encoding="utf-8")
    monkeypatch.setenv("EXAMPLE_KEY", "my-own-key")
    assert bicep.renew(folder, COMPILER) == []
    after = (folder / "snapshots/main.dev.snapshot.json").read_text(encoding="utf-8")
    assert after == before
    assert list(json.loads(after)["outputs"]) == ["a", "b", "c", "d"]


@needs_compiler
def test_an_example_that_cannot_be_evaluated_is_reported_and_its_snapshot_kept(
    folder: Path,
) -> None:
    assert COMPILER
    before = bicep.current(folder)
    rewrite(folder / "main.dev.bicepparam", "param name = 'id-example'\n", "")
    assert any("main.dev.bicepparam" in line for line in bicep.renew(folder, COMPILER))
    snapshot = "snapshots/main.dev.snapshot.json"
    assert bicep.current(folder)[snapshot] == before[snapshot]


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("main.bicep", "changed"),
        ("main.dev.bicepparam", "changed"),
        ("bicepconfig.json", "added"),
        ("snapshots/main.dev.snapshot.json", "changed"),
        ("modules/new.bicep", "added"),
    ],
)
def test_without_a_compiler_a_file_that_is_newer_than_the_snapshots_is_a_fault(
    folder: Path, path: str, change: str
) -> None:
    assert bicep.faults(folder, None) == []
    (folder / path).parent.mkdir(exist_ok=True)
    with (folder / path).open("a", encoding="utf-8") as file:
        file.write("\n")
    assert bicep.faults(folder, None) == [
        f"{path} was {change} after the snapshots were made: run `make snapshots`"
    ]


def test_a_template_that_is_removed_is_newer_than_the_snapshots(folder: Path) -> None:
    (folder / "main.bicep").unlink()
    assert bicep.faults(folder, None) == [
        "main.bicep was removed after the snapshots were made: run `make snapshots`"
    ]


@pytest.fixture
def no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, the only one in which programs are looked for."""
    only = tmp_path / "programs"
    only.mkdir()
    monkeypatch.setenv("PATH", str(only))
    monkeypatch.setenv("AZURE_CONFIG_DIR", str(tmp_path / "az"))
    return only


@pytest.mark.usefixtures("no_compiler")
def test_without_a_compiler_the_gate_says_how_to_get_it(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bicep, "AZURE", folder)
    assert bicep.main([]) == 0
    printed = capsys.readouterr().out
    assert "There is no Bicep compiler, so nothing was built" in printed
    assert f"az bicep install --version v{bicep_compiler.VERSION}" in printed


def test_another_version_leaves_the_snapshots_alone(
    folder: Path,
    no_compiler: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program(no_compiler, "0.99.0")
    monkeypatch.setattr(bicep, "AZURE", folder)
    asked: list[object] = []

    def validated(*arguments: object) -> list[str]:
        asked.extend(arguments)
        return []

    monkeypatch.setattr(bicep, "validated", validated)
    assert bicep.main([]) == 0
    assert "It left the snapshots alone: they belong to 0.49.2." in capsys.readouterr().out
    assert asked == []


def test_another_version_does_not_renew_them(
    no_compiler: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program(no_compiler, "0.99.0")
    assert bicep.main(["--renew"]) == 1
    assert "Snapshots need Bicep 0.49.2; found 0.99.0." in capsys.readouterr().err


@pytest.mark.usefixtures("no_compiler")
def test_nothing_is_renewed_without_a_compiler(capsys: pytest.CaptureFixture[str]) -> None:
    assert bicep.main(["--renew"]) == 1
    assert "found none. Install Bicep" in capsys.readouterr().err


def test_the_compiler_of_the_azure_cli_is_found(no_compiler: Path, tmp_path: Path) -> None:
    """`az bicep install` puts it into a folder of its own, which is not on the PATH."""
    assert bicep_compiler.find() is None
    (tmp_path / "az/bin").mkdir(parents=True)
    expected = program(tmp_path / "az/bin", "0.49.2")
    assert bicep_compiler.find() == str(expected)
    assert bicep_compiler.version(str(expected)) == "0.49.2"
    on_the_path = program(no_compiler, "0.49.2")
    assert bicep_compiler.find() == str(on_the_path)


RULES = [
    "adminusername-should-not-be-literal",
    "artifacts-parameters",
    "decompiler-cleanup",
    "explicit-values-for-loc-params",
    "max-asserts",
    "max-outputs",
    "max-params",
    "max-resources",
    "max-variables",
    "nested-deployment-template-scoping",
    "no-conflicting-metadata",
    "no-deployments-resources",
    "no-explicit-any",
    "no-hardcoded-env-urls",
    "no-hardcoded-location",
    "no-loc-expr-outside-params",
    "no-module-name",
    "no-unnecessary-dependson",
    "no-unused-existing-resources",
    "no-unused-imports",
    "no-unused-params",
    "no-unused-vars",
    "outputs-should-not-contain-secrets",
    "prefer-interpolation",
    "prefer-unquoted-property-names",
    "protect-commandtoexecute-secrets",
    "secure-parameter-default",
    "secure-params-in-nested-deploy",
    "secure-secrets-in-params",
    "simplify-interpolation",
    "simplify-json-null",
    "use-parent-property",
    "use-protectedsettings-for-commandtoexecute-secrets",
    "use-recent-module-versions",
    "use-resource-id-functions",
    "use-resource-symbol-reference",
    "use-safe-access",
    "use-secure-value-for-secure-inputs",
    "use-stable-resource-identifiers",
    "use-stable-vm-image",
    "use-user-defined-types",
    "what-if-short-circuiting",
]
"""The linter's rules but one, which depends on the day on which it runs."""


def test_every_rule_of_the_linter_is_an_error() -> None:
    """A rule that is not in the file has the level of the compiler, often a warning or none."""
    text = (bicep.AZURE / "bicepconfig.json").read_text(encoding="utf-8")
    core = json.loads(re.sub(r"^ *//.*$", "", text, flags=re.M))["analyzers"]["core"]
    levels = {name: rule["level"] for name, rule in core["rules"].items()}
    assert core["enabled"] is True
    assert levels == dict.fromkeys(RULES, "error") | {"use-recent-api-versions": "off"}


def test_a_compiler_that_fails_in_silence_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "bicep"
    path.write_text(f"#!{sys.executable}\nimport sys\nsys.exit(3)\n")
    path.chmod(0o755)
    (tmp_path / "main.bicep").write_text(TEMPLATE, encoding="utf-8")
    assert bicep_compiler.built(str(path), tmp_path) == ["bicep build ended with exit code 3"]
