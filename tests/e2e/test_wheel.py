"""The wheel and the sdist of this checkout, and the command where the wheel is installed.

Commands run in the folder of somebody whose packages have the names of ours, with `PYTHONPATH=.`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from infra.local.processes import ROOT, program
from tests.supply_chain.pins import pins

pytestmark = pytest.mark.slow

CARRIED = (
    "core",
    "functions_aws",
    "functions_azure",
    "workers",
    "infra/__init__.py",
    "infra/local",
)
OF_A_CHECKOUT = ("functions_aws/Makefile", "workers/Dockerfile", "infra/local/aws/sam/")


def run(*command: str | Path, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """How a program ends in a folder, with nothing in its environment but PATH and these."""
    return subprocess.run(
        [str(each) for each in command],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def uv(*arguments: str | Path) -> None:
    """Runs uv, with the index and the certificates of whoever runs the tests."""
    command = [program("uv"), *map(str, arguments), "--quiet"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def tracked(*paths: str) -> set[str]:
    listed = run(
        "git", "ls-files", "--cached", "--others", "--exclude-standard", *paths, folder=ROOT
    )
    return {name for name in listed.stdout.splitlines() if (ROOT / name).exists()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and with the wheel that is built from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    [file] = built.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes an environment with the wheel and these extras (`aws,cli`), in the pinned versions, and
    returns the folder of its programs."""
    made = tmp_path_factory.mktemp("environments")
    constraints = made / "pins.txt"
    pinned = (f"{pin} ; {pin.marker}".rstrip("; ") for pin in pins("requirements/dev.txt"))
    constraints.write_text("\n".join(pinned))

    @cache
    def make(extras: str) -> Path:
        place = made / (extras.replace(",", "-") or "base")
        python = place / "bin" / "python"
        uv("venv", "--python", sys.executable, place)
        uv("pip", "install", "--python", python, "-c", constraints, f"{wheel}[{extras}]")
        return python.parent

    return make


def installs(extra: str, programs: Path) -> str:
    """The command that adds the extra to an environment that uv has made."""
    return f"uv pip install --python {programs / 'python'} 'tidegate[{extra}]'"


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a project that has packages named as ours."""
    folder = tmp_path_factory.mktemp("theirs")
    for name in ("core", "workers", "infra"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("MINE = True\n")
    (folder / "report.md").write_text("# Checkout answers slowly\n")
    return folder


# ----------------------------------------------------------------------------------- the files


def test_the_wheel_installs_one_package_with_every_file_of_ours_and_nothing_else(
    wheel: Path,
) -> None:
    with zipfile.ZipFile(wheel) as archive:
        files = {name for name in archive.namelist() if ".dist-info/" not in name}
    ours = {f for f in tracked(*CARRIED) if not f.startswith(OF_A_CHECKOUT)}
    entry = {"tidegate/__init__.py", "tidegate/py.typed"}
    assert files == entry | {f"tidegate/{name}" for name in ours}
    assert "tidegate/infra/local/azure/azurite/package-lock.json" in files


def test_the_sdist_has_the_whole_checkout(built: Path) -> None:
    [sdist] = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        files = {name.partition("/")[2] for name in archive.getnames()}
    assert files == tracked() | {"PKG-INFO"}


# ----------------------------------------------------------------------------------- the command


@pytest.mark.parametrize(
    ("extras", "arguments", "needs"),
    [
        ("", "--help", "cli"),
        ("cli", "dev", "local"),
        ("cli", "send report.md", "local"),
        ("cli", "quarantine list", "aws"),
        ("cli", "worker root-worker", "worker"),
        ("cli,worker", "demo", "local"),
    ],
)
def test_a_command_without_its_libraries_names_the_extra_that_brings_them(
    programs: Callable[[str], Path], theirs: Path, extras: str, arguments: str, needs: str
) -> None:
    settings = {"PYTHONPATH": ".", "TIDEGATE_QUARANTINE": "s3://bucket/quarantine"}
    ended = run(programs(extras) / "tidegate", *arguments.split(), folder=theirs, **settings)
    cause, step = ended.stderr.splitlines()
    assert (ended.returncode, ended.stdout) == (2, "")
    assert cause.endswith(" is not installed")
    assert step == f"  next: {installs(needs, programs(extras))}"


def test_the_next_step_for_a_missing_library_can_be_followed(
    programs: Callable[[str], Path], theirs: Path
) -> None:
    tidegate = programs("aws") / "tidegate"
    [_, step] = run(tidegate, "--version", folder=theirs).stderr.splitlines()
    path = f"{Path(program('uv')).parent}:{os.environ['PATH']}"
    followed = subprocess.run(
        ["sh", "-c", step.removeprefix("  next: ")],
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert followed.returncode == 0, followed.stderr
    assert run(tidegate, "--version", folder=theirs).returncode == 0


def test_doctor_goes_on_after_a_store_whose_library_is_missing(
    programs: Callable[[str], Path], theirs: Path, closed_port: int
) -> None:
    ended = run(
        programs("cli") / "tidegate",
        "doctor",
        "--json",
        folder=theirs,
        TIDEGATE_QUARANTINE="azure://account/records/quarantine",
        TEMPORAL_ADDRESS=f"127.0.0.1:{closed_port}",
    )
    checks = {check["code"]: check for check in json.loads(ended.stdout)["checks"]}
    assert (ended.returncode, ended.stderr) == (1, "")
    assert checks["quarantine"]["outcome"] == "failed"
    assert checks["quarantine"]["fix"] == installs("azure", programs("cli"))
    assert "temporal" in checks


UNSET = "TIDEGATE_QUARANTINE is not set"


@pytest.mark.parametrize(
    ("extras", "quarantine", "arguments", "code", "printed"),
    [
        ("cli", "", "policies explain", 0, "level 1: pages on-call"),
        ("cli", "", "quarantine list", 2, UNSET),
        ("aws,cli", "s3://bucket", "quarantine list", 3, "Unable to locate credentials"),
        ("azure,cli", "azure://account/records", "quarantine list", 3, "not a connection string"),
        ("cli,worker", "", "worker incident-worker", 2, f"cannot start: {UNSET}"),
        ("local", "", "send report.md", 3, "no local stack"),
    ],
)
def test_a_command_with_its_libraries_runs(
    programs: Callable[[str], Path],
    theirs: Path,
    extras: str,
    quarantine: str,
    arguments: str,
    code: int,
    printed: str,
) -> None:
    ended = run(
        programs(extras) / "tidegate",
        *arguments.split(),
        folder=theirs,
        PYTHONPATH=".",
        TIDEGATE_QUARANTINE=quarantine,
        AWS_EC2_METADATA_DISABLED="true",
        AZURE_STORAGE_CONNECTION_STRING="nonsense",
    )
    said = ended.stdout + ended.stderr
    assert "Traceback" not in said
    assert printed in said
    assert ended.returncode == code, said


def test_the_command_runs_in_an_empty_folder(
    programs: Callable[[str], Path], tmp_path: Path
) -> None:
    ended = run(programs("cli") / "tidegate", "routes", "check", folder=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_the_packages_of_a_project_stay_its_own(
    programs: Callable[[str], Path], theirs: Path, tmp_path: Path
) -> None:
    python = programs("cli") / "python"
    code = "import core, workers, infra; print(core.MINE, workers.MINE, infra.MINE)"
    assert run(python, "-c", code, folder=theirs).stdout == "True True True\n"
    assert run(python, "-c", "import core", folder=tmp_path).returncode == 1
