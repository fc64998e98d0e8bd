"""The SBOM of each artefact, as CycloneDX JSON: `python -m tests.supply_chain.sbom [FOLDER]`.

An SBOM follows from files of the repository alone: the pins, and requirements/licences.toml. It has
no time and no random number, so the same commit gives the same bytes anywhere; that is why none is
committed. Source: OWASP, "CycloneDX Bill of Materials Specification" 1.6.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from tests.supply_chain import licences
from tests.supply_chain.pins import AZURITE, CONSOLE, ROOT, Pin, environment, npm_pins, pins

FOLDER: Final = "build/sbom"
PYTHON: Final = "3.13"
"""The Python of all artefacts that run in a cloud."""
_ALGORITHMS: Final = {
    "sha1": HashAlgorithm.SHA_1,
    "sha256": HashAlgorithm.SHA_256,
    "sha384": HashAlgorithm.SHA_384,
    "sha512": HashAlgorithm.SHA_512,
}


@dataclass(frozen=True, slots=True)
class Artefact:
    name: str
    title: str
    pins: str
    """The requirements file that it is installed from."""
    machine: str = "x86_64"
    stripped: bool = False
    """Whether functions_aws/Makefile removes packages from it."""
    base_image: bool = False
    """Whether it lies on the image that workers/Dockerfile names."""
    npm: tuple[str, ...] = ()
    """The lock files whose packages it ships, or installs."""


ARTEFACTS: Final = (
    Artefact(
        "lambda",
        "The package of the Lambda functions",
        "requirements/aws.txt",
        "aarch64",
        stripped=True,
    ),
    Artefact(
        "lambda-app",
        "The package of the HTTP application on Lambda",
        "requirements/aws-app.txt",
        "aarch64",
        stripped=True,
        npm=(CONSOLE,),
    ),
    Artefact(
        "lambda-workers",
        "The package of the workers on Lambda",
        "requirements/worker.txt",
        "aarch64",
        stripped=True,
    ),
    Artefact("functions", "The Functions app", "requirements.txt", npm=(CONSOLE,)),
    Artefact(
        "functions-app",
        "The Functions app of the HTTP application",
        "requirements/azure-app.txt",
        npm=(CONSOLE,),
    ),
    Artefact(
        "worker",
        "The workers' image",
        "requirements/worker.txt",
        base_image=True,
        npm=(CONSOLE,),
    ),
    Artefact(
        "command",
        "The command, with the local stack",
        "requirements/command.txt",
        npm=(AZURITE, CONSOLE),
    ),
)


def contents(artefact: Artefact, python: str = PYTHON, machine: str = "") -> list[Pin]:
    """The Python packages in an artefact that is built for this Python, on Linux."""
    there = environment(python, machine or artefact.machine)
    removed = _removed() if artefact.stripped else []
    return [
        pin
        for pin in pins(artefact.pins)
        if pin.fits(there) and not any(fnmatch(_dist_info(pin), each) for each in removed)
    ]


def sbom(artefact: Artefact) -> str:
    """The SBOM, as text."""
    packages = contents(artefact)
    known = licences.table()
    root = Component(
        name=f"tidegate-{artefact.name}",
        version=_project()["version"],
        type=ComponentType.CONTAINER if artefact.base_image else ComponentType.APPLICATION,
        description=artefact.title,
        bom_ref=f"tidegate-{artefact.name}",
        licenses=[LicenseExpression(_project()["license"])],
        properties=[Property(name="tidegate:python", value=PYTHON)],
    )
    components = {pin.name: _component("pypi", pin, known[str(pin)]) for pin in packages}
    bom = Bom(components=components.values(), serial_number=uuid5(NAMESPACE_URL, _digest(artefact)))
    bom.metadata.component = root
    bom.metadata.tools.components.clear()
    wants: dict[Component, list[Component]] = {
        root: [],
        **{each: [] for each in components.values()},
    }
    for pin in packages:
        for name in pin.wanted_by:
            by = root if name == "tidegate" else components.get(name)
            if by:
                wants[by].append(components[pin.name])
    if artefact.base_image:
        wants[root].append(_base_image())
    npm = licences.npm_table()
    wants[root] += [_component("npm", pin, npm[str(pin)]) for pin in _npm(artefact)]
    bom.components.update(wants[root])
    for by, each in wants.items():
        bom.register_dependency(by, each)
    return _without_time(JsonV1Dot6(bom).output_as_string(indent=2))


def _npm(artefact: Artefact) -> list[Pin]:
    return [pin for lock in artefact.npm for pin, _ in npm_pins(lock, tools=False)]


def _component(kind: str, pin: Pin, licence: str) -> Component:
    group, _, name = pin.name.rpartition("/")
    purl = PackageURL(type=kind, namespace=group or None, name=name, version=pin.version)
    return Component(
        name=pin.name,
        version=pin.version,
        type=ComponentType.LIBRARY,
        bom_ref=purl.to_string(),
        purl=purl,
        hashes=[HashType(alg=_ALGORITHMS[alg], content=digest) for alg, digest in pin.digests],
        licenses=[_licence(licence)],
    )


def _licence(expression: str) -> LicenseExpression | DisjunctiveLicense:
    """One identifier is a licence; what joins several is an expression."""
    if not expression.startswith("LicenseRef-") and licences.SPDX.parse(expression).isliteral:
        return DisjunctiveLicense(id=expression)
    return LicenseExpression(expression)


def _base_image() -> Component:
    """The image below the workers'. Its system packages are its publisher's to list."""
    [image] = re.findall(
        r"^ARG PYTHON_IMAGE=(\S+)$",
        (ROOT / "workers" / "Dockerfile").read_text(encoding="utf-8"),
        re.M,
    )
    name, _, tag = image.partition(":")
    purl = PackageURL(type="docker", name=name, version=tag)
    kind = ComponentType.CONTAINER
    return Component(name=name, version=tag, type=kind, bom_ref=purl.to_string(), purl=purl)


def _removed() -> list[str]:
    """Patterns of the metadata of packages that are removed from the Lambda package."""
    text = (ROOT / "functions_aws" / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    [unused] = re.findall(r"^UNUSED := (.*)$", text, re.M)
    return [each for each in unused.split() if each.endswith(".dist-info")]


def _dist_info(pin: Pin) -> str:
    return f"{pin.name.replace('-', '_')}-{pin.version}.dist-info"


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]
    return project


def _digest(artefact: Artefact) -> str:
    """Of all that an SBOM follows from: the same components have the same serial number."""
    known = licences.table()
    rows = [f"{pin} {known[str(pin)]} {pin.digests}" for pin in contents(artefact)]
    npm = [f"{pin} {pin.digests}" for pin in _npm(artefact)]
    text = "\n".join([artefact.name, _project()["version"], *rows, *npm])
    return f"tidegate:{hashlib.sha256(text.encode()).hexdigest()}"


def _without_time(text: str) -> str:
    document = json.loads(text)
    document["metadata"].pop("timestamp")
    return json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def write(folder: Path) -> list[Path]:
    """The files, `NAME.cdx.json`, one of each artefact."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{artefact.name}.cdx.json" for artefact in ARTEFACTS]
    for path, artefact in zip(paths, ARTEFACTS, strict=True):
        path.write_text(sbom(artefact), encoding="utf-8")
    return paths


def main() -> None:
    for path in write(ROOT / FOLDER):
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
