"""Matches log lines with alarms and with what the runbook looks for: CloudWatch's filter patterns,
and the conditions of Azure's log queries, as far as they are used.
"""

from __future__ import annotations

import json
import logging
import re

from tests.support import azure_snapshot
from tests.support.cloudformation import WORKERS, resources, text
from workers.runtime.logs import _Formatter


def line(level: int, message: str, *args: object) -> str:
    """The line that a worker writes to standard output when it logs this."""
    record = logging.LogRecord("temporalio.workflow", level, "", 0, message, args, None)
    return _Formatter({}).format(record)


def alarms_on_aws(line: str, worker: str) -> set[str]:
    """The workers' alarms whose metric counts such a line of the `Root` or `Incident` worker."""
    log_group = (f"{worker}Logs", f"{worker}.Outputs.LogGroupName")
    counted = {
        each["MetricName"]
        for filter in resources(WORKERS, "Logs::MetricFilter").values()
        if text(filter["LogGroupName"]) in log_group and matches(filter["FilterPattern"], line)
        for each in filter["MetricTransformations"]
    }
    alarms = resources(WORKERS, "CloudWatch::Alarm")
    return {id for id, alarm in alarms.items() if alarm["MetricName"] in counted}


def alerts_on_azure(line: str) -> set[str]:
    """The alerts on the workers' log that find such a line."""
    queries = {
        rule.name.rpartition("-")[0]: rule.at("properties.criteria")["allOf"][0]["query"]
        for rule in azure_snapshot.made("Microsoft.Insights/scheduledQueryRules")
    }
    return {
        name
        for name, query in queries.items()
        if query.startswith("ContainerAppConsoleLogs") and finds(query, line)
    }


def matches(pattern: str, line: str) -> bool:
    """Whether a filter pattern matches a line: a quoted phrase anywhere in it, or comparisons of
    its fields, of which all or one hold. Source: Amazon CloudWatch Logs, "Filter pattern
    syntax"."""
    if phrase := re.fullmatch(r'"([^"]+)"', pattern):
        return phrase[1] in line
    fields = json.loads(line)
    conditions = re.fullmatch(r"\{ (.+) \}", pattern)
    assert conditions, pattern
    ways = (way.split(" && ") for way in conditions[1].split(" || "))
    return any(all(_holds(condition, fields) for condition in way) for way in ways)


def _holds(condition: str, fields: dict[str, object]) -> bool:
    compared = re.fullmatch(r'\$\.([\w.\[\]]+) (>=|=) ("[^"]*"|\d+|\*)', condition)
    assert compared, condition
    path, sign, wanted = compared.groups()
    value: object = fields
    for step in re.findall(r"\w+", path):
        match value:
            case dict():
                value = value.get(step)
            case list():
                value = value[int(step)] if int(step) < len(value) else None
            case _:
                value = None
    if wanted == "*":
        return value is not None
    if wanted.isdecimal():
        if not isinstance(value, int | float):
            return False
        return value >= int(wanted) if sign == ">=" else value == int(wanted)
    expression = ".*".join(re.escape(part) for part in wanted.strip('"').split("*"))
    return re.fullmatch(expression, str(value), re.S) is not None


def finds(query: str, line: str) -> bool:
    """Whether a query finds a line; all its conditions must be about what the line contains."""
    _, *steps = query.strip().splitlines()
    assert all(step.startswith("| where ") for step in steps), query
    return all(_found(step.removeprefix("| where "), line) for step in steps)


def _found(condition: str, line: str) -> bool:
    """Whether one of the alternatives is in the line; `contains` ignores case."""
    ways = condition.split(" or ")
    for way in ways:
        phrases = [re.fullmatch(r'\(?Log contains "([^"]+)"\)?', p) for p in way.split(" and ")]
        if all(phrase and phrase[1].lower() in line.lower() for phrase in phrases):
            return True
        assert all(phrases), condition
    return False
