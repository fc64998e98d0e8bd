"""What recorded histories cost in Temporal's Actions."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any, Final

HISTORIES: Final = Path(__file__).parents[1] / "histories"


@cache
def events(history: str) -> list[dict[str, Any]]:
    """The events of a history, as JSON."""
    text = (HISTORIES / f"{history}.json").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = json.loads(text)["events"]
    return found


def actions(history: str) -> Counter[str]:
    """The billable Actions in a history, by kind, as Temporal Cloud counts them.

    The start of a child is its parent's. Heartbeats and queries leave no trace in a history.
    Source: Temporal Cloud, "Actions".
    """
    found: Counter[str] = Counter()
    with_markers: set[str] = set()
    for event in events(history):
        [attributes] = [value for key, value in event.items() if key.endswith("Attributes")] or [{}]
        match event["eventType"].removeprefix("EVENT_TYPE_"):
            case "WORKFLOW_EXECUTION_STARTED" if history.startswith("root-"):
                found["Start"] += 1
            case "START_CHILD_WORKFLOW_EXECUTION_INITIATED":
                found["Child"] += 2
            case "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED":
                found["Signal"] += 1
            case "MARKER_RECORDED":
                with_markers.add(attributes["workflowTaskCompletedEventId"])
            case "ACTIVITY_TASK_SCHEDULED":
                found["Activities"] += 1
            case "ACTIVITY_TASK_STARTED":
                found["Retries"] += int(attributes.get("attempt", 1)) - 1
            case "TIMER_STARTED":
                found["Timers"] += 1
            case "WORKFLOW_EXECUTION_UPDATE_ACCEPTED":
                found["Updates"] += 1
            case "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES":
                fields = attributes["searchAttributes"]["indexedFields"]
                found["Upserts"] += set(fields) != {"TemporalChangeVersion"}
            case _:
                pass  # no Action
    found["Local activities"] = len(with_markers)
    return +found


def delivered(history: str) -> Counter[str]:
    """The Actions that bring events to the workflow of a history: all of a root orchestrator's. An
    incident's own are counted apart; a signal that starts it is one with the start."""
    if history.startswith("root-"):
        return actions(history)
    recorded = events(history)
    by_signal = "input" not in recorded[0]["workflowExecutionStartedEventAttributes"]
    signals = sum(each["eventType"].endswith("_EXECUTION_SIGNALED") for each in recorded)
    return +Counter({"Start": 1, "Signal": signals - by_signal})
