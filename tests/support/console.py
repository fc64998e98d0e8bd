"""The commands of the documentation, as a shell reads them.

A console block is run by bash with nothing but stand-ins on its PATH, each of which records its
arguments. So quotes, continued lines, loops, substitutions and functions mean what they mean to
whoever pastes the block, and a mistake in them is an error here as well.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

ROOT: Final = Path(__file__).parents[2]
BASH: Final = "/bin/bash"
PROGRAMS: Final = (
    *("aws", "az", "azd", "cat", "cp", "curl", "docker", "func", "git", "jq", "make", "mkdir"),
    *("openssl", "pip-audit", "rm", "sam", "temporal", "tidegate", "uv", "uvicorn"),
)
"""What a document may call. A test knows which arguments each of them takes."""

_FENCE: Final = re.compile(r"^( *)```console\n(.*?)^ *```$", re.M | re.S)
_PLACEHOLDER: Final = re.compile(r"<([a-zA-Z][^<>\n]*)>")
_SPAN: Final = re.compile(rf"`((?:[A-Z]+=\S+ )*(?:{'|'.join(PROGRAMS)}) [^`]+)`")

_RECORD: Final = """\
#!/bin/bash
# Whether it is in prose, its name and arguments, each ended by a NUL; the answer is a word or JSON.
printf '%s\\0' "${IN_PROSE-}" "${0##*/}" "$@" > "$(/usr/bin/mktemp "$RECORDS/XXXXXXXX")"
[ ! -p /dev/stdin ] || /bin/cat > /dev/null
case " $* " in *" text "* | *" tsv "*) echo answer ;; *) echo '{}' ;; esac
"""


@dataclass(frozen=True, slots=True)
class Block:
    """A console block, and the line of its fence."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Invocation:
    """A program and its arguments, as the shell hands them over."""

    program: str
    arguments: tuple[str, ...]
    in_prose: bool = False
    """Whether the prose names it, often without the arguments that it takes."""

    def __str__(self) -> str:
        return " ".join((self.program, *self.arguments))


def blocks(document: Path) -> list[Block]:
    """The console blocks of a document, in its order, without prompts and indentation."""
    text = document.read_text(encoding="utf-8")
    found = []
    for fence in _FENCE.finditer(text):
        lines = [line.removeprefix(fence[1]) for line in fence[2].splitlines()]
        plain = [line.removeprefix("$ ") for line in lines]
        found.append(Block(text.count("\n", 0, fence.start()) + 1, "\n".join(plain) + "\n"))
    return found


def spans(document: Path) -> list[str]:
    """The commands within the prose of a document."""
    text = re.sub(r"^ *```.*?^ *```$", "", document.read_text(encoding="utf-8"), flags=re.M | re.S)
    joined = re.sub(r"\n *(?=\S)", " ", text)
    return [span[1] for span in _SPAN.finditer(joined)]


def documents() -> list[Path]:
    """The documents that tell a user what to do."""
    return sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])


def invocations_of(document: Path) -> list[Invocation]:
    """What the blocks of a document call, one after another in one shell and the functions that
    they define included, and then the commands in its prose."""
    called = 'for function in $(compgen -A function); do "$function" argument; done'
    shown = "".join(block.text for block in blocks(document))
    prose = "\n".join(spans(document))
    return run(f"set -eu -o pipefail\n{shown}\n{called}\nset +eu\nexport IN_PROSE=1\n{prose}")


def run(script: str) -> list[Invocation]:
    """What a script calls. `<placeholders>` are words.

    Raises `AssertionError` with what bash says of a script that it cannot run to its end.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        commands, records = folder / "bin", folder / "records"
        made = [folder / each for each in (".venv/bin", ".tidegate", "build/azure-app")]
        for each in (commands, records, *made):
            each.mkdir(parents=True)
        for program in PROGRAMS:
            (commands / program).write_text(_RECORD)
            (commands / program).chmod(0o755)
        for program in ("tidegate", "temporal"):
            (folder / ".venv" / "bin" / program).symlink_to(commands / program)
        env = "LOCAL_HOOK_TOKEN=token WEBHOOKS_URL=http://127.0.0.1:8080/hooks"
        (folder / ".tidegate" / "env").write_text(f"export {env}\n")
        ran = subprocess.run(
            [BASH, "-c", _PLACEHOLDER.sub(_word, script)],
            cwd=folder,
            env={"PATH": str(commands), "RECORDS": str(records), "HOME": name},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (ran.returncode, ran.stderr) == (0, ""), script
        calls = [file.read_text().split("\0")[:-1] for file in sorted(records.iterdir())]
    return [Invocation(name, tuple(arguments), bool(prose)) for prose, name, *arguments in calls]


def _word(placeholder: re.Match[str]) -> str:
    return re.sub(r"\W+", "-", placeholder[1])
