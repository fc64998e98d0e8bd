"""YAML files that people write: read strictly, with problems by file, line, column and field."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from core.domain.problems import ProblemAt
from core.errors import ConfigFileError

Model = TypeVar("Model", bound=BaseModel)
Location = tuple[int | str, ...]
_QUOTE: Final = re.compile(r"'([^']*)'|\"([^\"]*)\"")
"""What the parser quotes: something of the file, or its own tokens."""


def _unless_long(quote: re.Match[str]) -> str:
    """A quote of a character or two, or of a token's name; anything else may be a secret."""
    text = quote[1] or quote[2] or ""
    return quote[0] if len(text) < 3 or re.fullmatch(r"<[a-z -]+>", text) else "..."


class _Alias(Exception):
    """The text refers to another part of itself at `place`, its line and column."""

    def __init__(self, mark: yaml.Mark) -> None:
        super().__init__()
        self.place = f"{mark.line + 1}:{mark.column + 1}"


class _Loader(yaml.SafeLoader):
    """Refuses aliases: a few lines of them can stand for more than memory holds."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            alias = self.peek_event()  # type: ignore[no-untyped-call]  # as the stubs have it
            raise _Alias(alias.start_mark)
        return super().compose_node(parent, index)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """The node's value. What looks like a date and is none, such as 2026-02-30, is a problem at
        its place."""
        try:
            return super().construct_object(node, deep=deep)
        except ValueError as error:
            kind = node.tag.rpartition(":")[2]
            what = "date" if kind == "timestamp" else kind
            raise yaml.constructor.ConstructorError(
                None, None, f"no such {what}", node.start_mark
            ) from error


def load(path: Path, model: type[Model], *, context: dict[str, Any] | None = None) -> Model:
    """The file as a `model`, whose validators get the `context`. Raises `ConfigFileError` with
    every problem."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise ConfigFileError([f"{path}: cannot be read: {what}"]) from error
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            raise ConfigFileError([f"{path}: it is empty"])
        problems = [f"{path}:{problem}" for problem in _duplicates(root)]
        value = loader.construct_document(root)
    except _Alias as alias:
        raise ConfigFileError(
            [f"{path}:{alias.place}: aliases are not supported: write it out"]
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else f"{path}"
        what = getattr(error, "problem", None) or type(error).__name__
        # Not chained: the error's own text quotes the line, which may hold a secret.
        if not isinstance(error, yaml.constructor.ConstructorError):
            what = f"not YAML: {what}"
        raise ConfigFileError([f"{where}: {_QUOTE.sub(_unless_long, what)}"]) from None
    if problems:
        raise ConfigFileError(problems)
    try:
        return model.model_validate(value, context=context)
    except ValidationError as invalid:
        problems = [_problem(path, root, error) for error in invalid.errors(include_url=False)]
        # Not chained: the errors of pydantic quote the values.
        raise ConfigFileError(list(dict.fromkeys(problems))) from None


def place(path: Path, location: Location) -> tuple[int, int]:
    """The line and column of what is at a location of a valid file, or of the nearest thing."""
    root = _Loader(path.read_text(encoding="utf-8")).get_single_node()
    if root is None:
        return 1, 1
    node, _ = _find(root, location, key=True)
    return node.start_mark.line + 1, node.start_mark.column + 1


def _problem(path: Path, root: yaml.Node, error: Any) -> str:
    cause = error.get("ctx", {}).get("error")
    location = (*error["loc"], *(cause.location if isinstance(cause, ProblemAt) else ()))
    unknown = error["type"] == "extra_forbidden"
    node, field = _find(root, location, key=unknown)
    what = "there is no such field" if unknown else error["msg"].removeprefix("Value error, ")
    if error["type"] == "union_tag_invalid":  # whose message quotes the file
        what = "{discriminator} is not one of {expected_tags}".format_map(error["ctx"])
    mark = node.start_mark
    return f"{path}:{mark.line + 1}:{mark.column + 1}: {field or 'the file'}: {what}"


def _find(root: yaml.Node, location: Location, *, key: bool) -> tuple[yaml.Node, str]:
    """The node nearest to one of pydantic's locations, and its name, like `routes[1].match.any[0]`.

    Parts of a location that are not in the file (the names of a union's members) are skipped; a
    missing field is reported at the mapping that lacks it. With `key`, the node is the last field's
    name rather than its value.
    """
    node, name = root, ""
    for position, part in enumerate(location):
        last = position == len(location) - 1
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            if part < len(node.value):
                node, name = node.value[part], f"{name}[{part}]"
        elif isinstance(node, yaml.MappingNode) and isinstance(part, str):
            for field, value in node.value:
                if field.value == part:
                    node = field if key and last else value
                    name = f"{name}.{part}".lstrip(".")
                    break
            else:
                if last and part.isidentifier() and part.islower():
                    name = f"{name}.{part}".lstrip(".")
    return node, name


def _duplicates(node: yaml.Node, name: str = "") -> list[str]:
    """Problems of mappings with duplicate fields: YAML forbids them, PyYAML takes the last."""
    problems: list[str] = []
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for field, value in node.value:
            path = f"{name}.{field.value}".lstrip(".")
            if str(field.value) in seen:
                mark = field.start_mark
                problems.append(f"{mark.line + 1}:{mark.column + 1}: {path}: it occurs twice")
            seen.add(str(field.value))
            problems += _duplicates(value, path)
    elif isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            problems += _duplicates(item, f"{name}[{position}]")
    return problems
