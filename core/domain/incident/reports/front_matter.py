"""YAML front matter: the fields at the head of a text document, between two `---` lines.

Every scalar is read as the text that was written, so that `no` stays `no`, `2024-13-45` does not
crash and `1.10` keeps its zero; only an empty one, `~` and `null` count as absent. Aliases are
refused (a few lines of them expand to gigabytes), and so are duplicate keys, deep nesting and a
length that would keep the parser busy for seconds.
"""

from __future__ import annotations

from typing import Any, Final

import yaml

_MAX_CHARS: Final = 64 * 1024
_MAX_DEPTH: Final = 20
_NOTHING: Final = ("", "~", "null", "Null", "NULL")


class NotFrontMatter(Exception):
    """The front matter is invalid; never leaves this package."""


def read_front_matter(text: str) -> tuple[dict[str, Any], str]:
    """The fields and the text below them; no fields if the document does not begin with `---`.

    Raises `NotFrontMatter` saying what is wrong and in which line.
    """
    lines = text.split("\n")
    if lines[0].rstrip() != "---":
        return {}, text
    ends = (at for at, line in enumerate(lines) if at and line.rstrip() in ("---", "..."))
    end = next(ends, None)
    if end is None:
        raise NotFrontMatter("is opened by `---` and never closed by another")
    head = "\n".join(lines[1:end])
    if len(head) > _MAX_CHARS:
        raise NotFrontMatter(f"has {len(head):,} characters; at most {_MAX_CHARS:,} are read")
    return _read_mapping(head), "\n".join(lines[end + 1 :])


def _read_mapping(head: str) -> dict[str, Any]:
    try:
        node = yaml.compose(head, Loader=_Composer)
        fields = {} if node is None else _value(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 2})" if mark else ""
        raise NotFrontMatter(f"is not YAML{where}: {_first_line(error)}") from None
    except (ValueError, ArithmeticError, LookupError, RecursionError) as error:
        # What the parser itself trips over, e.g. an escape beyond Unicode.
        raise NotFrontMatter(f"is not YAML: {type(error).__name__}") from None
    if fields is None:
        return {}
    if not isinstance(fields, dict):
        raise NotFrontMatter("is not a list of `name: value` lines")
    return fields


class _Composer(yaml.BaseLoader):
    """Composes nodes without constructing objects; refuses aliases and deep nesting."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # a gap in the stubs
            raise yaml.MarkedYAMLError(problem="aliases are refused", problem_mark=mark)
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise NotFrontMatter(f"is nested more than {_MAX_DEPTH} deep")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _value(node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return [_value(item) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        fields: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise NotFrontMatter(
                    f"has a name that is not text (line {key.start_mark.line + 2})"
                )
            if key.value in fields:
                raise NotFrontMatter(
                    f"gives {key.value[:60]!r} twice (line {key.start_mark.line + 2})"
                )
            fields[key.value] = _value(value)
        return fields
    if isinstance(node, yaml.ScalarNode):
        return None if node.style is None and node.value in _NOTHING else node.value
    raise NotFrontMatter("holds something that is neither text, list nor mapping")


def _first_line(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or error).split("\n")[0][:200]
