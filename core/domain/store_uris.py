"""Which URIs may be roots of document stores: the places that an operator names in settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

AZURE_ACCOUNT: Final = r"[a-z0-9]{3,24}"
AZURE_CONTAINER: Final = r"(?=[^/]{3,63}(?:/|\Z))(?:\$root|\$web|[a-z0-9]+(?:-[a-z0-9]+)*)"
_S3_BUCKET: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{2,254}"
_PATH: Final = r"/[^\x00-\x1f\x7f]*"
_FOLDER: Final = rf"(?:{_PATH})?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """What a root looks like after its scheme: where documents are written, and where they are only
    read. `example` is a good one, `form` names its parts."""

    written: str
    read: str
    form: str
    example: str


ROOTS: Final[Mapping[str, Root]] = {
    "s3": Root(
        written=rf"{_S3_BUCKET}{_FOLDER}",
        read=rf"{_S3_BUCKET}{_FOLDER}",
        form="s3:// with a bucket's name",
        example="s3://my-bucket/records/",
    ),
    "azure": Root(
        written=rf"{AZURE_ACCOUNT}/{AZURE_CONTAINER}{_FOLDER}",
        read=rf"{AZURE_ACCOUNT}(?:/|/{AZURE_CONTAINER}{_FOLDER})?",
        form="azure:// with the names of a storage account and a container",
        example="azure://myaccount/my-container/records/",
    ),
    "file": Root(
        written=_PATH,
        read=_PATH,
        form="file:// with an absolute path",
        example="file:///var/lib/tidegate/records/",
    ),
}
"""The roots of every scheme that has a store."""


def read_root(uri: str, *, written: bool) -> str:
    """The URI, if it is a root. Raises `ValueError` with what it is not, and a good example."""
    scheme, separator, rest = uri.partition("://")
    root = ROOTS.get(scheme) if separator else None
    if root is None:
        examples = " or ".join(root.example for root in ROOTS.values())
        raise ValueError(f"not a URI like {examples}")
    if not re.fullmatch(root.written if written else root.read, rest):
        raise ValueError(f"not {root.form}, like {root.example}")
    if leads_elsewhere(uri):
        raise ValueError(f"a folder in it is named . or .., unlike {root.example}")
    return uri


def leads_elsewhere(uri: str) -> bool:
    """Whether a URI has a part that some stores read as the folder itself or the one above."""
    return any(part in ("..", ".") for part in uri.split("/"))
