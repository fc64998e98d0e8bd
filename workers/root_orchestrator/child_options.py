"""What a route says of a child, as the SDK takes it.

Deterministic: runs in the workflow sandbox.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from temporalio.common import (
    Priority,
    RetryPolicy,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
)

from core.domain.event import parse_time
from core.domain.routing.table import StartOptions, Target

_KEYS: Final[Mapping[str, Callable[[str], SearchAttributeKey[Any]]]] = {
    "keyword": SearchAttributeKey.for_keyword,
    "keyword_list": SearchAttributeKey.for_keyword_list,
    "text": SearchAttributeKey.for_text,
    "int": SearchAttributeKey.for_int,
    "double": SearchAttributeKey.for_float,
    "bool": SearchAttributeKey.for_bool,
    "datetime": SearchAttributeKey.for_datetime,
}


def child_options(wire: dict[str, Any], target: Target) -> dict[str, Any]:
    """The options of `workflow.start_child_workflow` for the child of an event."""
    options = target.options or StartOptions()
    summary = f"{wire.get('type')} {wire.get('subject') or wire.get('id')}"[:200]
    return {
        "execution_timeout": _duration(target.execution_timeout),
        "run_timeout": _duration(target.run_timeout),
        "task_timeout": _duration(target.task_timeout),
        "static_summary": options.static_summary or summary,
        "memo": options.memo,
        "search_attributes": _search_attributes(options.search_attributes),
        "retry_policy": _retry(options.retry),
        "priority": Priority(
            priority_key=options.priority,
            fairness_key=options.fairness_key,
            fairness_weight=options.fairness_weight if options.fairness_key else None,
        ),
    }


def _search_attributes(values: dict[str, dict[str, Any]] | None) -> TypedSearchAttributes | None:
    if not values:
        return None
    return TypedSearchAttributes(
        [
            SearchAttributePair(_KEYS[kind](name), parse_time(read) if kind == "datetime" else read)
            for name, value in values.items()
            for kind, read in value.items()
        ]
    )


def _retry(rule: dict[str, Any] | None) -> RetryPolicy | None:
    if rule is None:
        return None
    return RetryPolicy(
        initial_interval=timedelta(seconds=rule["initial_interval"]),
        backoff_coefficient=rule["backoff"],
        maximum_interval=_duration(rule["maximum_interval"]),
        maximum_attempts=rule["maximum_attempts"],
        non_retryable_error_types=rule["non_retryable"],
    )


def _duration(seconds: float | None) -> timedelta | None:
    return timedelta(seconds=seconds) if seconds else None
