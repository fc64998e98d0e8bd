"""Mistakes that are easily made in a template: each is seeded in a copy, and found there."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.gates import bicep_compiler
from tests.support.azure_snapshot import AZURE, read
from tests.support.bicep import COMPILER, needs_compiler, rewrite
from tests.unit.infra.test_azure_names import fault
from tests.unit.infra.test_azure_roles import ASSIGNMENT, BUILT_IN


@dataclass(frozen=True)
class Mistake:
    what: str
    file: str
    old: str
    """Replaced in the file; where it is empty, the new text is added at the end."""
    new: str
    code: str
    """The compiler's, as a pattern."""


BUS, VAULT, WORKER = "modules/service-bus.bicep", "modules/key-vault.bicep", "modules/worker.bicep"
ROOT_WORKER = "root-worker.bicep"
ANOTHER_WORKER = "module other 'modules/worker.bicep' = { params: { image: worker.outputs.x } }"

MISTAKES = [
    Mistake("a property that does not exist", BUS, "lockDuration:", "lockDurations:", "BCP089"),
    Mistake(
        *("a literal of the wrong type", "modules/functions.bicep"),
        *("instanceMemoryMB: 2048", "instanceMemoryMB: '2048'", "BCP036"),
    ),
    Mistake(
        *("an expression of the wrong type", "modules/functions.bicep"),
        *("maximumInstanceCount: maximumInstances", "maximumInstanceCount: location", "BCP036"),
    ),
    Mistake(
        *("a required property that is missing", VAULT),
        *("tenantId: subscription().tenantId", "", "BCP035"),
    ),
    Mistake(
        *("a version of the API that does not exist", BUS),
        *("topics@2024-01-01", "topics@2024-01-02", "BCP081"),
    ),
    Mistake("an undeclared symbol", BUS, "", "output it string = buss.id", "BCP057"),
    Mistake(
        *("a property that a resource does not have", VAULT),
        *("", "output it string = vault.properties.vaultUrl", "BCP083"),
    ),
    Mistake(
        *("a nested resource that does not exist", "modules/access.bicep"),
        *("namespace::blobEvents", "namespace::blobEvent", "BCP159"),
    ),
    Mistake(
        *("a module in the wrong scope", WORKER),
        *("param location string", "targetScope = 'subscription'\nparam location string", "BCP134"),
    ),
    Mistake(
        *("a grant on a string", "modules/access.bicep"),
        *("scope: secrets", "scope: 'secrets'", "BCP036"),
    ),
    Mistake(
        *("a loop over a string", VAULT),
        *("for range in allowedIpRanges", "for range in location", "BCP137"),
    ),
    Mistake(
        *("a loop within an expression", VAULT),
        *("tags: tags", "tags: union(tags, [for range in allowedIpRanges: range])", "BCP138"),
    ),
    Mistake("an unused parameter", VAULT, "", "param spare string", "no-unused-params"),
    Mistake(
        *("an output that a module does not have", ROOT_WORKER),
        *("", "output it string = worker.outputs.nothing", "BCP05[23]"),
    ),
    Mistake(
        *("a parameter that a module does not get", ROOT_WORKER, "image: image", "", "BCP035"),
    ),
    Mistake(
        *("a module's parameter of the wrong type", ROOT_WORKER),
        *("minReplicas: minReplicas", "minReplicas: image", "BCP036"),
    ),
    Mistake(
        *("a default of the wrong type", VAULT),
        *("", "param days int = 'ninety'\noutput days int = days", "BCP033"),
    ),
    Mistake(
        *("a value that is not allowed", ROOT_WORKER),
        *("param temporalAuth string = 'apiKey'", "param temporalAuth string = 'key'", "BCP033"),
    ),
    Mistake(
        *("a parameter file's value of the wrong type", "root-worker.prod.bicepparam"),
        *("", "param maxReplicas = 'five'", "BCP033"),
    ),
    Mistake(
        *("too few arguments", WORKER, "", "output it array = split(location)", "BCP071"),
    ),
    Mistake(
        *("a function of the wrong type", WORKER),
        *("string(drainSeconds)", "toLower(drainSeconds)", "BCP070"),
    ),
    Mistake("an output of the wrong type", BUS, "", "output it int = bus.id", "BCP033"),
    Mistake(
        *("modules that need each other", ROOT_WORKER),
        *("image: image", f"image: other.outputs.x }}\n}}\n{ANOTHER_WORKER}", "BCP080"),
    ),
    Mistake(
        *("a discriminator of no type", "modules/event-grid.bicep"),
        *("'ServiceBusQueue'", "'ServicebusQueue'", "BCP088"),
    ),
    Mistake("a name that is declared twice", BUS, "", "var location = 'here'", "BCP028"),
    Mistake(
        *("a secret that is put out", VAULT),
        *("", "output it string = temporalApiKey", "outputs-should-not-contain-secrets"),
    ),
]


def needed(file: str) -> set[str]:
    """The file and all that it refers to, by their paths in infra/azure."""
    text = (AZURE / file).read_text(encoding="utf-8")
    found = {file}
    for path in re.findall(r"'([\w./-]+\.bicep)'", text):
        found |= needed((Path(file).parent / path).as_posix())
    return found


def seed(mistake: Mistake, folder: Path) -> None:
    """Copies the smallest set of files that show the mistake."""
    # Where a module is wrong in its use, its user is needed to see it.
    root = ROOT_WORKER if mistake.code == "BCP134" else mistake.file
    for path in {*needed(root), "bicepconfig.json"}:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(AZURE / path, folder / path)
    target = folder / mistake.file
    text = target.read_text(encoding="utf-8")
    if mistake.old:
        assert mistake.old in text, f"{mistake.file} no longer contains {mistake.old!r}"
        text = text.replace(mistake.old, mistake.new, 1)
    else:
        text = f"{text}\n{mistake.new}\n"
    target.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What the gate finds in each mistake's folder, in one run: most of a run is its start."""
    assert COMPILER
    folder = tmp_path_factory.mktemp("mistakes")
    for index, mistake in enumerate(MISTAKES):
        seed(mistake, folder / str(index))
    lines = bicep_compiler.built(COMPILER, folder)
    return {
        mistake.what: [line for line in lines if line.startswith(f"{index}/")]
        for index, mistake in enumerate(MISTAKES)
    }


@needs_compiler
@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.what)
def test_the_compiler_finds_a_mistake(mistake: Mistake, findings: dict[str, list[str]]) -> None:
    found = findings[mistake.what]
    assert any(re.search(rf" {mistake.code}: ", line) for line in found), found


@needs_compiler
def test_the_snapshot_shows_what_no_compiler_can_know(tmp_path: Path) -> None:
    """A role's GUID with a wrong digit, and a storage account's name with a hyphen."""
    assert COMPILER
    folder = Path(shutil.copytree(AZURE, tmp_path / "azure"))
    [readers] = [id for id, name in BUILT_IN.items() if name == "Storage Blob Data Reader"]
    rewrite(folder / "modules/roles.bicep", readers, readers.replace("2a2b", "2a2c"))
    [holder] = [path for path in sorted(folder.rglob("*.bicep")) if "stdocs$" in path.read_text()]
    rewrite(holder, "stdocs$", "st-docs$")
    assert not bicep_compiler.snapshot(COMPILER, folder / "main.dev.bicepparam", "overwrite")
    snapshot = read(folder / "main.dev.snapshot.json")
    roles = {
        each.at("properties.roleDefinitionId").rpartition("/")[2]
        for each in snapshot
        if each.type == ASSIGNMENT
    }
    assert roles - set(BUILT_IN) == {readers.replace("2a2b", "2a2c")}
    names = [text for each in snapshot if (text := fault(each))]
    assert names
    assert all("storageAccounts st-docs" in each for each in names)
