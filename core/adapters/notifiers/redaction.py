"""What a service or a library says about a failure, without what it may quote of an address."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote

_MOST: Final = 200
"""Characters of a reason."""
_SHORTEST: Final = 5
"""Characters of a part of a URL that is worth hiding: shorter ones are in any text."""
_TOKEN: Final = re.compile(r"eyJ[\w.-]{20,}", re.ASCII)
"""The token of a link in the page, as a service may quote it."""
_NUMBER: Final = re.compile(r"\+?\(?\d(?:[ ().-]*\d){5,}")
"""A telephone number, as people write it."""


def redacted(reason: str, url: str, secrets: Sequence[str] = ()) -> str:
    """One short, printable line without the URL, the secrets, the tokens of links, any longer part
    of the URL, and any telephone number of it, however either of them writes it."""
    plain = unquote(url)
    hidden = {each for each in re.split(r"\W+", plain) if len(each) >= _SHORTEST}
    reason = _TOKEN.sub("***", reason)
    for secret in sorted(filter(None, {url, plain, *secrets, *hidden}), key=len, reverse=True):
        reason = reason.replace(secret, "***")
    numbers = {_digits(each) for each in _NUMBER.findall(plain)}
    reason = _NUMBER.sub(lambda at: "***" if _digits(at[0]) in numbers else at[0], reason)
    printable = "".join(c if c.isprintable() else " " for c in reason)
    return " ".join(printable.split())[:_MOST].rstrip(": ")


def _digits(number: str) -> str:
    return re.sub(r"\D", "", number)
