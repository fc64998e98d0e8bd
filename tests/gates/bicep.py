"""Builds the templates of infra/azure with Microsoft's compiler, and holds their snapshots to them.

A snapshot is what an example's parameter file deploys: every resource with its names and values
worked out. It is committed, so that a change of a template is reviewed as a change of resources.
Warnings are faults, because some of them are errors of a deployment. Without a compiler the gate
still fails when a file is newer than the snapshots.

`python -m tests.gates.bicep --renew` writes the snapshots (`make snapshots`).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.gates import bicep_compiler

AZURE = Path(__file__).parents[2] / "infra" / "azure"
SNAPSHOTS = "snapshots"
DIGESTS = f"{SNAPSHOTS}/SHA256SUMS"
RENEW = "run `make snapshots`"


def faults(folder: Path, compiler: str | None) -> list[str]:
    """One line for each fault of the templates in a folder, and of their snapshots."""
    stale = outdated(folder)
    if compiler is None:
        return stale
    checks = [
        partial(bicep_compiler.built, compiler, folder),
        partial(bicep_compiler.unformatted, compiler, folder),
    ]
    if bicep_compiler.version(compiler) == bicep_compiler.VERSION:
        checks += [partial(validated, compiler, folder, path) for path in examples(folder)]
    return bicep_compiler.concurrently(checks) + stale


def examples(folder: Path) -> list[Path]:
    """Parameter files that need no variables: TEMPLATE.PROFILE.bicepparam."""
    return sorted(folder.glob("*.*.bicepparam"))


def snapshot_of(example: Path) -> Path:
    return example.parent / SNAPSHOTS / f"{example.stem}.snapshot.json"


def validated(compiler: str, folder: Path, example: Path) -> list[str]:
    """One line for each difference between an example and its snapshot."""
    snapshot = snapshot_of(example)
    if not snapshot.is_file():
        return [f"{example.name} has no snapshot: {RENEW}"]
    with TemporaryDirectory() as scratch:
        copy = Path(shutil.copytree(folder, Path(scratch) / folder.name))
        shutil.copy(snapshot, copy)
        lines = bicep_compiler.snapshot(compiler, copy / example.name, "validate")
    return lines and [f"{example.name} deploys something else than its snapshot: {RENEW}", *lines]


def renew(folder: Path, compiler: str) -> list[str]:
    """Writes every snapshot and the digests anew. Where an example cannot be evaluated, nothing is
    written, and there is a line for each reason."""
    made: dict[Path, str] = {}

    def evaluate(example: Path) -> list[str]:
        snapshot = snapshot_of(example)
        with TemporaryDirectory() as scratch:
            copy = Path(shutil.copytree(folder, Path(scratch) / folder.name))
            lines = bicep_compiler.snapshot(compiler, copy / example.name, "overwrite")
            if not lines:
                made[snapshot] = in_order((copy / snapshot.name).read_text(encoding="utf-8"))
        return lines

    lines = bicep_compiler.concurrently(partial(evaluate, each) for each in examples(folder))
    if not lines:
        shutil.rmtree(folder / SNAPSHOTS, ignore_errors=True)
        (folder / SNAPSHOTS).mkdir()
        for path, text in made.items():
            path.write_text(text, encoding="utf-8")
        write_digests(folder)
    return lines


def in_order(snapshot: str) -> str:
    """The snapshot with its outputs sorted: the compiler writes them in another order each time."""
    content = json.loads(snapshot)
    content["outputs"] = dict(sorted(content["outputs"].items()))
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def current(folder: Path) -> dict[str, str]:
    """The digest of every file that the snapshots are made of, of the linter's rules, and of the
    snapshots."""
    files = [
        *folder.glob("bicepconfig.json"),
        *folder.rglob("*.bicep"),
        *examples(folder),  # not those with your own values, or with variables
        *folder.glob(f"{SNAPSHOTS}/*.json"),
    ]
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(files)
    }


def write_digests(folder: Path) -> None:
    """In the format of `sha256sum`."""
    lines = [f"{digest}  {path}\n" for path, digest in current(folder).items()]
    (folder / DIGESTS).write_text("".join(lines), encoding="utf-8")


def outdated(folder: Path) -> list[str]:
    """One line for each file that is not the one of which the snapshots were made."""
    listed = folder / DIGESTS
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
    known = {path: digest for digest, _, path in (line.partition("  ") for line in lines)}
    now = current(folder)
    return [
        f"{path} was {what} after the snapshots were made: {RENEW}"
        for path in sorted(known.keys() | now.keys())
        if (what := _change(known.get(path), now.get(path)))
    ]


def _change(known: str | None, now: str | None) -> str:
    if known == now:
        return ""
    return "added" if known is None else "removed" if now is None else "changed"


def main(arguments: list[str]) -> int:
    compiler = bicep_compiler.find()
    version = bicep_compiler.version(compiler) if compiler else "none"
    if arguments == ["--renew"]:
        if compiler is None or version != bicep_compiler.VERSION:
            how = bicep_compiler.HOW_TO_GET_IT
            lines = [f"Snapshots need Bicep {bicep_compiler.VERSION}; found {version}. {how}"]
        else:
            lines = renew(AZURE, compiler)
            if not lines:
                sys.stdout.write(f"Wrote {len(examples(AZURE))} snapshots.\n")
    else:
        lines = faults(AZURE, compiler)
        sys.stdout.write(f"{_report(version)}\n")
    sys.stderr.writelines(f"{line}\n" for line in lines)
    return 1 if lines else 0


def _report(version: str) -> str:
    """What was checked, and what was not."""
    if version == "none":
        return (
            "There is no Bicep compiler, so nothing was built; checked only whether the snapshots "
            f"are as new as the templates. {bicep_compiler.HOW_TO_GET_IT}"
        )
    templates, files = (len(list(AZURE.rglob(f"*.{suffix}"))) for suffix in ("bicep", "bicepparam"))
    built = f"Bicep {version} built {templates} templates and {files} parameter files"
    if version == bicep_compiler.VERSION:
        return f"{built}, and validated {len(examples(AZURE))} snapshots."
    return f"{built}. It left the snapshots alone: they belong to {bicep_compiler.VERSION}."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
