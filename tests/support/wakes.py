"""How often recorded histories wake a worker that sleeps when it has nothing to do."""

from __future__ import annotations

from collections import Counter

from tests.support.actions import events


def wakes(history: str) -> Counter[str]:
    """The times at which something wakes the workflow of a history, by kind, at most.

    What comes while a worker is awake wakes nobody, and so a retry that follows its failure by less
    than a worker waits. A timer that still runs at the end of the history counts, because it wakes
    the workflow afterwards; a run that continues another has been woken already.
    """
    found: Counter[str] = Counter()
    timers: set[str] = set()
    for event in events(history):
        [attributes] = [value for key, value in event.items() if key.endswith("Attributes")] or [{}]
        match event["eventType"].removeprefix("EVENT_TYPE_"):
            case "WORKFLOW_EXECUTION_STARTED":
                continued = bool(attributes.get("continuedExecutionRunId"))
                by_signal = "input" not in attributes
                found["Start"] += not continued
                found["Signals"] -= by_signal and not continued
            case "WORKFLOW_EXECUTION_SIGNALED":
                found["Signals"] += 1
            case "WORKFLOW_EXECUTION_CANCEL_REQUESTED":
                found["Cancellations"] += 1
            case "WORKFLOW_EXECUTION_UPDATE_ACCEPTED":
                found["Updates"] += 1
            case "TIMER_STARTED":
                timers.add(attributes["timerId"])
            case "TIMER_CANCELED":
                timers.remove(attributes["timerId"])
            case "TIMER_FIRED":
                timers.remove(attributes["timerId"])
                found["Timers"] += 1
            case "ACTIVITY_TASK_STARTED":
                found["Retries"] += int(attributes.get("attempt", 1)) - 1
            case (
                "WORKFLOW_EXECUTION_COMPLETED"
                | "WORKFLOW_EXECUTION_CANCELED"
                | "WORKFLOW_EXECUTION_CONTINUED_AS_NEW"
            ):
                timers.clear()
            case _:
                pass  # comes while a worker is awake
    found["Timers"] += len(timers)
    return +found
