"""The project speaks the field's words: code, messages and documents say `fix` and not `mend`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCTION = ("core", "functions_aws", "functions_azure", "workers", "infra")
SUFFIXES = {".py", ".md", ".yaml", ".toml", ".bicep", ".sh", ".json", ""}

WORDS = {
    r"(?:is|are|was|were|be|being) away": "is unavailable",
    r"mend(?:s|ed|ing)?": "fix",
    r"houses?": "the stack",
    r"(?:come|comes|came|coming) again": "is redelivered, retries",
    r"that (?:is|are|can be) (?-i:none)": "is not a ..., is invalid",
    r"strangers?": "an unverified sender, anybody",
    r"at once": "immediately, concurrently",
}
"""Words by which nobody would search, and what to write for them."""
ANY_WORD = re.compile(rf"(?<![a-z0-9])(?:{'|'.join(WORDS)})(?![a-z0-9])", re.I)

NAMES = {"told", "said", "given"}
"""Names that do not say what they hold."""


def files(*folders: str) -> Iterator[Path]:
    """Every text file that people write in these folders, and at the root."""
    nested = [path for name in folders for path in (ROOT / name).rglob("*")]
    for path in [*ROOT.glob("*"), *nested]:
        pins = path.name.startswith(("requirements", "package")) or "__pycache__" in path.parts
        recorded = {"events", "histories"} & set(path.relative_to(ROOT).parts[:2])
        if path.is_file() and path.suffix in SUFFIXES and not pins and not recorded:
            yield path


def foreign_words(text: str) -> list[tuple[int, str]]:
    """Each of the words in the text, also in its names, with its line."""
    text = text.replace("_", " ")
    return [(text.count("\n", 0, at.start()) + 1, at[0]) for at in ANY_WORD.finditer(text)]


def test_nobody_has_to_learn_our_own_words() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {word}"
        for path in files(*PRODUCTION, "docs", "tests")
        if path != Path(__file__)
        for line, word in foreign_words(path.read_text(encoding="utf-8"))
    ]
    assert not found, f"write instead: {WORDS}"


def names(code: str) -> Iterator[tuple[int, str]]:
    """Every name that the code gives to something, with its line."""
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Name(id=name, ctx=ast.Store(), lineno=line) | ast.arg(arg=name, lineno=line):
                yield line, name
            case (
                ast.FunctionDef(name=name, lineno=line)
                | ast.AsyncFunctionDef(name=name, lineno=line)
                | ast.ClassDef(name=name, lineno=line)
            ):
                yield line, name
            case _:
                pass


def test_names_say_what_they_hold() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in files(*PRODUCTION)
        if path.suffix == ".py"
        for line, name in names(path.read_text(encoding="utf-8"))
        if name.strip("_") in NAMES
    ]
    assert not found


def test_each_word_is_found_wherever_it_stands() -> None:
    text = "Mend the house:\nTemporal is away, it_comes_again at once.\nA stranger that is none"
    assert foreign_words(text) == [
        (1, "Mend"),
        (1, "house"),
        (2, "is away"),
        (2, "comes again"),
        (2, "at once"),
        (3, "stranger"),
        (3, "that is none"),
    ]
    assert foreign_words("A warehouse amends fields that are None, far away") == []


def test_each_name_is_found_wherever_it_is_given() -> None:
    code = "async def told(given):\n    said = given\n    return [x for x in said]"
    assert sorted(names(code)) == [(1, "given"), (1, "told"), (2, "said"), (3, "x")]
