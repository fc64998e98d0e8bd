"""Hypothesis strategies for bad input: noise, any JSON, recorded payloads mangled."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import strategies as st

from tests.support.payloads import NAMES, recorded, recorded_json

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(
        ["", "aws:s3", "aws:sns", "s3:TestEvent", "2.1", "1.0", "\ud800", "%ff", "a/../b"]
    )
)
_NAMES = (
    "Records Event Type TopicArn Message Sns EventSource eventSource eventVersion eventName "
    "awsRegion eventTime s3 bucket name object key size eTag sequencer detail-type source region "
    "detail specversion id type subject time data data_base64 tidegatekey body messageId"
)
FIELDS = st.sampled_from(_NAMES.split()) | st.text(max_size=8)
JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(FIELDS, inner, max_size=6),
    max_leaves=20,
)


def as_bytes(value: object) -> bytes:
    return json.dumps(value).encode()


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to every value inside a JSON value."""
    result = [path] if path else []
    if isinstance(value, dict):
        children = list(value.items())
    else:
        children = list(enumerate(value)) if isinstance(value, list) else []
    for name, child in children:
        result += _places(child, (*path, name))
    return result


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for name in path:
        value = value[name]
    return value


@st.composite
def mangled(draw: st.DrawFn, originals: st.SearchStrategy[Any]) -> Any:
    """A payload with up to three of its values replaced, removed or doubled."""
    value = copy.deepcopy(draw(originals))
    for _ in range(draw(st.integers(1, 3))):
        places = _places(value)
        if not places:
            break
        *parents, name = draw(st.sampled_from(places))
        parent = _at(value, tuple(parents))
        deed = draw(st.sampled_from(["replace", "remove", "double"]))
        if deed == "replace":
            parent[name] = draw(JSON_VALUES)
        elif deed == "remove":
            del parent[name]
        elif isinstance(parent, list):
            parent.append(copy.deepcopy(parent[name]))
        else:
            parent[name] = [parent[name], parent[name]]
    return value


@st.composite
def _cut(draw: st.DrawFn) -> bytes:
    """A recorded payload with a stretch of its bytes replaced by noise."""
    body = recorded(draw(st.sampled_from(NAMES)))
    start = draw(st.integers(0, len(body)))
    end = draw(st.integers(start, min(start + 40, len(body))))
    return body[:start] + draw(st.binary(max_size=20)) + body[end:]


RECORDED = st.sampled_from(NAMES).map(recorded_json)
ANY_BODIES = st.binary() | st.text().map(str.encode) | st.sampled_from(NAMES).map(recorded)
JSON_BODIES = JSON_VALUES.map(as_bytes)
MANGLED_BODIES = mangled(RECORDED).map(as_bytes) | _cut()
