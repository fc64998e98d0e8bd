"""The Bicep compiler, and what it says about a folder of templates."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

VERSION = "0.49.2"
"""The version that the snapshots belong to: others may write the same resources differently."""

HOW_TO_GET_IT = (
    f"Install Bicep {VERSION}: `az bicep install --version v{VERSION}`, or put the program from "
    f"https://github.com/Azure/bicep/releases/tag/v{VERSION} on the PATH as `bicep`."
)
SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
TENANT = "00000000-0000-0000-0000-000000000002"
"""Of the snapshots: without them the compiler leaves names and IDs as expressions."""


def find() -> str | None:
    """The program on the PATH, or the one that `az bicep install` has installed."""
    azure_cli = Path(os.environ.get("AZURE_CONFIG_DIR") or Path.home() / ".azure") / "bin"
    return shutil.which("bicep") or shutil.which("bicep", path=str(azure_cli))


def version(compiler: str) -> str:
    return run(compiler, "--version").stdout.split("version ")[-1].split(" ")[0].strip()


def run(
    compiler: str,
    *arguments: str,
    folder: Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """The command's result. A parameter file sees these variables and none of the caller's own."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment |= variables or {}
    environment["DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"] = "1"  # .NET ends where ICU is missing
    return subprocess.run(
        [compiler, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def concurrently(checks: Iterable[Callable[[], list[str]]]) -> list[str]:
    """The lines of all checks, in order. Each waits for a process, and each core runs one."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        running = [pool.submit(check) for check in checks]
    return [line for each in running for line in each.result()]


def built(compiler: str, folder: Path) -> list[str]:
    """One line for each error and warning in the templates and parameter files below a folder."""

    def build(command: str, suffix: str) -> list[str]:
        files = [path.read_text(encoding="utf-8") for path in folder.rglob(f"*.{suffix}")]
        if not files:
            return []
        # Azd sets these; without a value they are errors.
        required = re.findall(r"readEnvironmentVariable\('(\w+)'\)", "".join(files))
        variables = dict.fromkeys(required, "example")
        arguments = (command, "--pattern", f"**/*.{suffix}", "--outdir")
        with TemporaryDirectory() as out:
            done = run(compiler, *arguments, out, folder=folder, variables=variables)
        return said(done, folder)

    builds = [partial(build, "build", "bicep"), partial(build, "build-params", "bicepparam")]
    return sorted(set(concurrently(builds)))  # a module's are printed for each file that uses it


def unformatted(compiler: str, folder: Path) -> list[str]:
    """One line for each file below a folder that `bicep format` would change."""
    lines = []
    with TemporaryDirectory() as scratch:
        copy = Path(shutil.copytree(folder, Path(scratch) / folder.name))
        for suffix in ("bicep", "bicepparam"):
            done = run(compiler, "format", "--pattern", f"**/*.{suffix}", folder=copy)
            lines += said(done, copy)
            lines += [
                f"{path}: not formatted; run `bicep format {path}`"
                for path in (
                    each.relative_to(folder) for each in sorted(folder.rglob(f"*.{suffix}"))
                )
                if (folder / path).read_bytes() != (copy / path).read_bytes()
            ]
    return lines


def snapshot(compiler: str, parameters: Path, mode: str) -> list[str]:
    """Writes or validates the snapshot beside a parameter file; one line for each problem."""
    _, profile, _ = parameters.name.split(".")
    [template] = re.findall(r"^using '(.+)'", parameters.read_text(encoding="utf-8"), re.M)
    text = (parameters.parent / template).read_text(encoding="utf-8")
    of_subscription = "\ntargetScope = 'subscription'" in text
    group = () if of_subscription else ("--resource-group", f"rg-tidegate-{profile}")
    arguments = (
        *("snapshot", parameters.name, "--mode", mode, "--deployment-name", "tidegate"),
        *("--tenant-id", TENANT, "--subscription-id", SUBSCRIPTION, *group),
        *("--location", "westeurope"),
    )
    done = run(compiler, *arguments, folder=parameters.parent)
    return said(done, parameters.parent) if done.returncode else []


def said(done: subprocess.CompletedProcess[str], folder: Path) -> list[str]:
    """What a command printed, without colours, links and the folder's own path."""
    printed = re.sub(r"\x1b\[[\d;]*m", "", done.stdout + done.stderr)
    printed = re.sub(r" \[https://\S+\]", "", printed).replace(f"{folder.resolve()}/", "")
    lines = [line.rstrip() for line in printed.splitlines() if line.strip()]
    if done.returncode and not lines:
        return [f"bicep {done.args[1]} ended with exit code {done.returncode}"]
    return lines
