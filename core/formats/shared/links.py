"""Addresses among fields that people name as they like: annotations, details, custom properties.

What tells whoever is paged where to look is seldom in a field of the sender's own: kube-prometheus
has it in the annotation `runbook_url`, others in `dashboard`, `wiki_link` or `Playbook URL`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

MAX_LINKS: Final = 8
"""Most links of one alert; as many as the alert itself keeps."""

_ADDRESS: Final = re.compile(r"https?://\S{1,2040}", re.IGNORECASE)
_WORD_FOR_ADDRESS: Final = re.compile(r"[\s_-]+(url|link|href)$", re.IGNORECASE)
_NAME_CHARS: Final = 40


def with_links(known: Mapping[str, str | None], *more: Iterable[tuple[Any, Any]]) -> dict[str, str]:
    """The known links that there are, then every other address in `more`, pairs of a name and
    whatever stands there, by its name without `_url` or `_link`: `MAX_LINKS` at most.

    A value is an address if it is nothing but an http or https address. One that is known under
    another name is left out.
    """
    links = {name: address.strip() for name, address in known.items() if address}
    for name, address in _addresses(more):
        if len(links) >= MAX_LINKS:
            break
        if address not in links.values():
            links.setdefault(name, address)
    return links


def fields_of(value: object) -> Iterator[tuple[Any, Any]]:
    """The fields of an object as pairs; nothing for anything else."""
    yield from value.items() if isinstance(value, Mapping) else ()


def _addresses(more: Iterable[Iterable[tuple[Any, Any]]]) -> Iterator[tuple[str, str]]:
    for fields in more:
        for name, value in fields:
            if isinstance(value, str) and _ADDRESS.fullmatch(value.strip()):
                plain = _WORD_FOR_ADDRESS.sub("", str(name).strip(" _")[:_NAME_CHARS])
                yield plain.replace("_", " ").strip().lower() or "link", value.strip()
