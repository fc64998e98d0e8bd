"""The workers' Dockerfile and the compose file as text, without Docker. What Docker makes of them
is in tests/e2e/test_worker_containers.py."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.config.settings import Settings
from core.contracts import SEARCH_ATTRIBUTES, WORKER_SETTINGS, WORKERS, WorkerSpec
from infra.local import containers
from infra.local.processes import LocalStackError
from tests.support.variables import ADDRESSES, SETTINGS

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "workers" / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(
    (ROOT / "infra" / "local" / "docker-compose.yaml").read_text(encoding="utf-8")
)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
NAMES = tuple(spec.name for spec in WORKERS)


def instructions(text: str) -> list[tuple[str, str]]:
    """Instructions and their arguments, in order, without comments and line breaks."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    pairs = [line.strip().partition(" ") for line in joined.splitlines() if line.strip()]
    return [(name.upper(), rest.strip()) for name, _, rest in pairs]


ALL = instructions(DOCKERFILE)
LAST_STAGE = max(place for place, (name, _) in enumerate(ALL) if name == "FROM")
BUILD, FINAL = ALL[:LAST_STAGE], ALL[LAST_STAGE:]


def of(stage: list[tuple[str, str]], name: str) -> list[str]:
    return [rest for instruction, rest in stage if instruction == name]


def test_both_stages_use_the_image_of_the_argument() -> None:
    assert of(ALL, "FROM") == ["${PYTHON_IMAGE} AS build", "${PYTHON_IMAGE}"]
    assert of(BUILD, "ARG")[0] == "PYTHON_IMAGE=python:3.13-slim"


def test_only_packages_with_pinned_hashes_are_installed_and_none_is_built() -> None:
    [install] = [run for run in of(ALL, "RUN") if " pip install" in run]
    assert {"--require-hashes", "--no-deps", "--requirement"} <= set(install.split())
    assert "--only-binary :all:" in install
    assert install in of(BUILD, "RUN")
    pins = (ROOT / "requirements" / "worker.txt").read_text(encoding="utf-8")
    for pin in re.findall(r"^[a-z].*?(?=^[a-z]|\Z)", pins, re.M | re.S):
        assert "--hash=sha256:" in pin, pin.splitlines()[0]


def test_only_core_and_workers_are_copied() -> None:
    copied = [rest.split()[:-1] for rest in of(BUILD, "COPY")]
    assert copied == [["requirements/worker.txt"], ["LICENSE"], ["core"], ["workers"]]
    assert all(rest.startswith("--from=build ") for rest in of(FINAL, "COPY"))
    assert of(ALL, "ADD") == []


def test_the_build_context_is_an_allow_list() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = [rule for rule in rules if rule.startswith("!")]
    assert allowed == ["!core", "!workers", "!requirements/worker.txt", "!LICENSE"]
    assert rules[1:5] == allowed  # the rules after them only exclude
    assert {"**/__pycache__", "**/*.py[co]", "**/.*"} <= set(rules[5:])


def test_the_image_contains_no_address_and_no_secret() -> None:
    assert "://" not in DOCKERFILE
    assert of(BUILD, "ARG")[1:] == ["PIP_INDEX_URL"]
    for line in of(FINAL, "ENV") + of(FINAL, "ARG"):
        assert not re.search(r"KEY|SECRET|TOKEN|PASSWORD|INDEX", line)


def test_all_code_is_compiled_and_never_checked_again() -> None:
    compiled = [run for run in of(ALL, "RUN") if "compileall" in run]
    assert len(compiled) == 2  # packages and ours; the standard library
    for run in compiled:
        assert "--invalidation-mode unchecked-hash" in run


def test_the_process_is_unprivileged_and_receives_signals_itself() -> None:
    assert of(FINAL, "USER") == ["10001:10001"]
    assert json.loads(of(FINAL, "ENTRYPOINT")[0]) == ["python", "-m"]
    [module] = json.loads(of(FINAL, "CMD")[0])
    assert importlib.util.find_spec(module)
    assert of(FINAL, "STOPSIGNAL") == ["SIGTERM"]


def test_the_images_health_check_is_the_probe() -> None:
    [check] = of(FINAL, "HEALTHCHECK")
    [command] = re.findall(r"CMD (\[.*\])$", check)
    assert json.loads(command) == ["python", "-m", "workers.runtime.probe"]
    assert importlib.util.find_spec("workers.runtime.probe")


def test_the_image_has_its_labels() -> None:
    said = of(FINAL, "LABEL")[0]
    for label in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{label}=" in said
    assert "VERSION=0.0.0" in of(FINAL, "ARG")
    assert "REVISION=unknown" in of(FINAL, "ARG")


def test_workers_are_versioned_only_if_the_build_has_an_id() -> None:
    assert "BUILD_ID=" in of(FINAL, "ARG")
    [env] = of(FINAL, "ENV")
    assert 'TIDEGATE_BUILD_ID="${BUILD_ID}"' in env
    assert Settings.from_env({"TIDEGATE_BUILD_ID": ""}).build_id is None


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_is_pinned_and_has_a_health_check(name: str) -> None:
    service = SERVICES[name]
    if "build" not in service:
        assert re.fullmatch(r"[a-z./-]+:\d+\.\d+\.\d+", service["image"])
    if name != "bucket":  # which exits
        assert service["healthcheck"]["test"][0] == "CMD"
        assert service["restart"] == "unless-stopped"
    for port in service.get("ports", []):
        assert port.startswith("127.0.0.1:")


def test_the_compose_file_has_all_servers_and_every_registered_worker() -> None:
    assert set(SERVICES) == {"temporal", "moto", "bucket", "azurite", *NAMES}, (
        "infra/local/docker-compose.yaml needs one service for each of core.contracts.WORKERS"
    )
    registered = [arg for arg in SERVICES["temporal"]["command"] if "search-attribute" in arg]
    assert registered == [f"--search-attribute={name}=Keyword" for name in SEARCH_ATTRIBUTES]


@pytest.mark.parametrize("spec", WORKERS, ids=lambda spec: spec.name)
def test_a_worker_in_the_compose_file_runs_as_in_production(spec: WorkerSpec) -> None:
    worker = SERVICES[spec.name]
    assert worker["build"]["dockerfile"] == "workers/Dockerfile"
    context = ROOT / "infra" / "local" / worker["build"]["context"]
    assert context.resolve() == ROOT
    assert worker["command"] == [spec.module]
    assert worker["read_only"] is True
    assert worker["cap_drop"] == ["ALL"]
    assert worker["depends_on"] == {
        "temporal": {"condition": "service_healthy"},
        "bucket": {"condition": "service_completed_successfully"},
    }


@pytest.mark.parametrize("name", NAMES)
def test_docker_kills_a_worker_only_after_it_has_drained(name: str) -> None:
    worker = SERVICES[name]
    grace = float(worker["stop_grace_period"].removesuffix("s"))
    assert grace > float(worker["environment"]["TIDEGATE_DRAIN_TIMEOUT"])


def test_the_compose_file_gives_workers_only_settings_that_one_of_them_reads() -> None:
    read = {*WORKER_SETTINGS, *ADDRESSES, *(name for spec in WORKERS for name in spec.settings)}
    for name in NAMES:
        assert {key for key in SERVICES[name]["environment"] if key.startswith("TIDEGATE_")} <= read


@pytest.mark.parametrize("name", NAMES)
def test_a_worker_in_the_compose_file_has_valid_settings(name: str) -> None:
    given = {key: str(text) for key, text in SERVICES[name]["environment"].items()}
    assert {key for key in given if key.startswith("TIDEGATE_")} <= SETTINGS | ADDRESSES
    Settings.from_env({key: text for key, text in given.items() if not text.startswith("$")})


def test_without_docker_the_error_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalStackError, match="there is no Docker on this machine"):
        containers.check_docker()


def test_without_a_daemon_the_error_says_what_to_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(LocalStackError, match="Cannot connect to the Docker daemon") as caught:
        containers.check_docker()
    assert caught.value.fix.startswith("start Docker")


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The calls of a stand-in for Docker, one a line. Its tidegate-worker is built for arm64."""
    calls = tmp_path / "calls"
    program = tmp_path / "docker"
    program.write_text(
        f"""#!/bin/sh
echo "$*" >> {calls}
case "$*" in
*.Architecture*) test -z "$NO_IMAGE" || exit 1; echo linux/arm64 ;;
*.RepoDigests*) echo other.example/worker@sha256:0a; echo registry.example/worker@sha256:0b ;;
esac
"""
    )
    program.chmod(0o755)
    calls.touch()
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return calls


def make(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("architecture", "platform"), [("arm64", "linux/arm64"), ("x86_64", "linux/amd64")]
)
def test_an_image_is_built_for_the_architecture_of_the_template(
    docker: Path, architecture: str, platform: str
) -> None:
    assert make("image", f"ARCHITECTURE={architecture}").returncode == 0
    [build] = docker.read_text().splitlines()
    assert f" --platform {platform} " in build


def test_an_image_is_built_for_this_machine_unless_an_architecture_is_named(docker: Path) -> None:
    assert make("image").returncode == 0
    assert "--platform" not in docker.read_text()


def test_a_push_has_a_tag_of_its_own_and_prints_the_digest(docker: Path) -> None:
    pushed = make("push", "ARCHITECTURE=arm64", "REPOSITORY=registry.example/worker")
    assert (pushed.returncode, pushed.stderr) == (0, "")
    assert pushed.stdout.split() == ["registry.example/worker@sha256:0b"]
    _, tagged, push, _ = docker.read_text().splitlines()
    tag = tagged.split()[-1]
    assert re.fullmatch(r"registry\.example/worker:\d+\.\d+\.\d+-[0-9a-f]+(-dirty)?-arm64", tag)
    assert push.split()[-1] == tag


def test_an_image_of_another_architecture_is_not_pushed(docker: Path) -> None:
    pushed = make("push", "ARCHITECTURE=x86_64", "REPOSITORY=registry.example/worker")
    assert pushed.returncode == 2
    assert "tidegate-worker is built for linux/arm64, and x86_64 is linux/amd64" in pushed.stderr
    assert "make image ARCHITECTURE=x86_64" in pushed.stderr
    assert len(docker.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["ARCHITECTURE=arm64"], "name REPOSITORY"),
        (["REPOSITORY=registry.example/worker"], "name ARCHITECTURE"),
        (["REPOSITORY=registry.example/worker", "ARCHITECTURE=amd64"], "neither arm64 nor x86_64"),
    ],
)
def test_a_push_needs_a_repository_and_an_architecture(
    docker: Path, arguments: list[str], error: str
) -> None:
    pushed = make("push", *arguments)
    assert (pushed.returncode, docker.read_text()) == (2, "")
    assert error in pushed.stderr


def test_nothing_is_pushed_before_an_image_is_built(
    docker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_IMAGE", "1")
    pushed = make("push", "ARCHITECTURE=arm64", "REPOSITORY=registry.example/worker")
    assert pushed.returncode == 2
    assert "there is no image yet: make image ARCHITECTURE=arm64" in pushed.stderr


def test_outside_of_a_git_checkout_nothing_is_tagged_or_pushed(
    docker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the archive of a release. A tag without a commit would be taken only once."""
    unpacked = tmp_path / "tidegate"
    unpacked.mkdir()
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, unpacked)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    pushed = make("push", "ARCHITECTURE=arm64", "REPOSITORY=registry.example/worker", cwd=unpacked)
    assert pushed.returncode == 2
    assert "error: this is no git checkout with a commit" in pushed.stderr
    assert "fatal" not in pushed.stderr
    assert [line.split()[0] for line in docker.read_text().splitlines()] == ["image"]


def test_secrets_are_passed_to_a_container_by_name_only(tmp_path: Path) -> None:
    routes = tmp_path / "routes.yaml"
    routes.touch()
    env = {
        "TEMPORAL_API_KEY": "hunter2",
        "TIDEGATE_ROUTES": str(routes),
        "PATH": "/usr/bin",
        "LOCAL_HOOK_TOKEN": "hunter3",
    }
    child = containers.Container("root-worker", "a.module", env, tmp_path / "log")
    assert not re.search("hunter|LOCAL_HOOK|PATH=", " ".join(child.command))
    assert child.command[-2:] == (containers.IMAGE, "a.module")
    given = [b for a, b in zip(child.command, child.command[1:], strict=False) if a == "--env"]
    assert given == ["TEMPORAL_API_KEY", "TIDEGATE_ROUTES"]
    assert f"{routes}:{routes}:ro" in child.command
    assert child.env == env
