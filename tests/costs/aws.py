"""What is billed on AWS, counted in the templates as they are deployed with their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from core.intake.receipts import EVENT_AGE, METRICS, REFUSED, Verdict
from tests.support.cloudformation import (
    ALARMS,
    FRONT_DOOR,
    SERVERLESS,
    WORKERS,
    all_resources,
    template,
    walk,
)
from tests.support.cloudformation import workers as workers_by_id
from tests.support.serverless_metrics import EMITTERS, emitted_by

_SET: Final = "<set>"
"""The value of what a template does not decide: not empty, and equal to nothing else."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What of a stack is looked at, whether or not anything happens."""

    alarms: int
    alarm_metrics: int
    """What alarms are billed by: metrics, of which a metric math alarm has several."""
    tracking_alarms: int
    tracking_alarm_metrics: int
    """The same of the alarms that target tracking makes: two for each policy."""
    metrics: int
    """Our own at most, each combination of its dimensions counted."""


@dataclass(frozen=True, slots=True)
class Counts:
    door: Watched
    containers: Watched
    serverless: Watched
    functions: int
    function_gb: float
    queues: int
    """Queues that a function polls, idle or not."""
    routes: int
    """Routes of the API with metrics of their own."""
    dashboards: int
    keys: int
    traced: bool
    """Whether X-Ray is on by default."""
    workers: int
    tasks: int
    """Tasks of each worker at least."""
    tasks_at_most: int
    task_vcpu: float
    task_gb: float
    serverless_gb: float
    watch_gb: float
    watch_every: float
    """Seconds between two looks from outside."""

    @property
    def smallest(self) -> Counts:
        """The same with one task of each worker, as small as the template allows."""
        allowed = template(WORKERS)["Parameters"]
        return replace(
            self,
            tasks=allowed["MinTasks"]["MinValue"],
            task_vcpu=int(allowed["Cpu"]["AllowedValues"][0]) / 1024,
            task_gb=int(allowed["Memory"]["AllowedValues"][0]) / 1024,
        )


def count() -> Counts:
    """What the front door with its alarms, and the workers, have."""
    front = deployed(FRONT_DOOR, {})
    nested = _properties(front, "AWS::Serverless::Application", Location=ALARMS)["Parameters"]
    front |= deployed(ALARMS, nested)
    functions = of(front, "AWS::Serverless::Function")
    events = [each for function in functions for each in function["Events"].values()]
    defaults = parameters(WORKERS)
    # ColdStart has the function's name as a dimension.
    shipped = {*METRICS.values(), REFUSED, EVENT_AGE} - {METRICS[Verdict.DROPPED]}
    listeners = len(shipped) + len(functions)
    return Counts(
        door=_watched(front, own=listeners),
        containers=_watched(deployed(WORKERS, {}), own=0),
        serverless=_watched(deployed(SERVERLESS, {}), own=len(emitted())),
        functions=len(functions),
        function_gb=int(parameters(FRONT_DOOR)["MemorySize"]) / 1024,
        queues=sum(each["Type"] == "SQS" for each in events),
        routes=sum(each["Type"] == "HttpApi" for each in events),
        dashboards=len(of(front, "AWS::CloudWatch::Dashboard")),
        keys=len(of(front, "AWS::KMS::Key")),
        traced=_traced(),
        workers=len(workers_by_id()),
        tasks=int(defaults["MinTasks"]),
        tasks_at_most=int(defaults["MaxTasks"]),
        task_vcpu=int(defaults["Cpu"]) / 1024,
        task_gb=int(defaults["Memory"]) / 1024,
        serverless_gb=int(parameters(SERVERLESS)["MemorySize"]) / 1024,
        watch_gb=_properties(
            deployed(SERVERLESS, {}),
            "AWS::Serverless::Function",
            Handler="workers.serverless.watch.handler",
        )["MemorySize"]
        / 1024,
        watch_every=60 * int(parameters(SERVERLESS)["WatchMinutes"]),
    )


def emitted() -> set[str]:
    """The names of the metrics that serverless workers and the look from outside write: each has
    one combination of dimensions."""
    return {metric.name for function in EMITTERS for metric in emitted_by(function)}


def _watched(resources: Mapping[str, Any], *, own: int) -> Watched:
    """What of a stack is looked at; `own` are the metrics of its code, and filters find others in
    its logs."""
    alarms = of(resources, "AWS::CloudWatch::Alarm")
    policies = of(resources, "AWS::ApplicationAutoScaling::ScalingPolicy")
    filtered = {
        str((each["MetricNamespace"], each["MetricName"], each.get("Dimensions")))
        for one in of(resources, "AWS::Logs::MetricFilter")
        for each in one["MetricTransformations"]
    }
    return Watched(
        alarms=len(alarms),
        alarm_metrics=sum(map(_metrics_of, alarms)),
        tracking_alarms=2 * len(policies),
        tracking_alarm_metrics=2 * sum(map(_metrics_of, policies)),
        metrics=own + len(filtered),
    )


def _metrics_of(properties: Any) -> int:
    """How many metrics an alarm or a scaling policy looks at."""
    return sum("MetricStat" in each for each in walk(properties) if isinstance(each, dict)) or 1


def _traced() -> bool:
    given = template(FRONT_DOOR)["Globals"]["Function"]["Tracing"]
    return bool(_value(given, parameters(FRONT_DOOR), {}) == "Active")


# ------------------------------------------------------------------------- templates as deployed


def parameters(name: str, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The values of a template's parameters: as given, by default, or not known."""
    declared = template(name)["Parameters"]
    defaults = {each: spec.get("Default", _SET) for each, spec in declared.items()}
    return defaults | {key: value for key, value in (given or {}).items() if key in declared}


def deployed(name: str, given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The resources of a template whose conditions hold."""
    parent = template(FRONT_DOOR)
    outer = (parameters(FRONT_DOOR), parent.get("Conditions", {}))
    values = parameters(name, {key: _value(value, *outer) for key, value in given.items()})
    conditions = template(name).get("Conditions", {})
    return {
        id: each
        for id, each in all_resources(name).items()
        if "Condition" not in each or _holds({"Condition": each["Condition"]}, values, conditions)
    }


def of(resources: Mapping[str, Any], type: str) -> list[dict[str, Any]]:
    return [each.get("Properties", {}) for each in resources.values() if each["Type"] == type]


def _properties(resources: Mapping[str, Any], type: str, **wanted: Any) -> dict[str, Any]:
    [found] = [each for each in of(resources, type) if wanted.items() <= each.items()]
    return found


def _holds(condition: Any, values: Mapping[str, Any], conditions: Mapping[str, Any]) -> bool:
    match condition:
        case {"Fn::Equals": [one, other]}:
            return bool(
                _value(one, values, conditions) == _value(other, values, conditions) != _SET
            )
        case {"Fn::Not": [inner]}:
            return not _holds(inner, values, conditions)
        case {"Fn::And": parts}:
            return all(_holds(each, values, conditions) for each in parts)
        case {"Fn::Or": parts}:
            return any(_holds(each, values, conditions) for each in parts)
        case {"Condition": name}:
            return _holds(conditions[name], values, conditions)
        case _:
            raise ValueError(f"not a condition: {condition}")


def _value(given: Any, values: Mapping[str, Any], conditions: Mapping[str, Any]) -> Any:
    match given:
        case {"Ref": name} if name in values:
            return values[name]
        case {"Fn::If": [name, yes, no]}:
            holds = _holds({"Condition": name}, values, conditions)
            return _value(yes if holds else no, values, conditions)
        case {"Fn::Join": [str(joint), {"Ref": _} as listed]}:
            return _value(listed, values, conditions).replace(",", joint)
        case {"Fn::Join": [str(joint), list(parts)]}:
            return joint.join(str(_value(each, values, conditions)) for each in parts)
        case dict():
            return _SET
        case _:
            return given
