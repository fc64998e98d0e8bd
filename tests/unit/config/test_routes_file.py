"""The routing table's file: every mistake is named by file, line, column and field."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent, indent

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from core.config.files import load_routes, routes_schema
from core.config.routing_table import SHIPPED_ROUTES
from core.errors import ConfigFileError

GOOD = """\
version: 1
routes:
  - name: reports
    match:
      prefix: {subject: incidents/}
    workflow: Report
    task_queue: reports
"""


OURS = """\
version: 1
routes:
  - name: alerts
    match:
      exact: {type: tidegate.alert}
    workflow: Incident
    task_queue: tidegate-incident
    deliver: signal
    signal: event
"""


def problems(tmp_path: Path, text: str | bytes) -> list[str]:
    """The problems of such a file, without the file's name."""
    path = tmp_path / "routes.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigFileError) as caught:
        load_routes(path)
    assert all(problem.startswith(f"{path}:") for problem in caught.value.problems)
    return [problem.removeprefix(f"{path}:") for problem in caught.value.problems]


def with_match(text: str) -> str:
    """The good file with another `match`, which starts in line 4."""
    match = indent(dedent(text).strip(), "      ")
    return GOOD.replace("      prefix: {subject: incidents/}", match)


def test_the_shipped_file_loads_and_its_schema_accepts_it() -> None:
    assert [route.name for route in load_routes(SHIPPED_ROUTES).routes] == [
        "incident-report",
        "incident-successor",
        "incident-event",
        "alert",
        "incident-command",
        "heartbeat",
    ]
    jsonschema.Draft202012Validator.check_schema(routes_schema())
    jsonschema.validate(yaml.safe_load(SHIPPED_ROUTES.read_text()), routes_schema())


def test_a_good_file_loads(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(GOOD)
    assert load_routes(path).routes[0].task_queue == "reports"


ONE_DIALECT = (
    "a filter uses exactly one of exact, prefix, suffix, all, any, not, jmespath; "
    "to combine several, list them under all or any"
)
ONE_TYPE = (
    "a search attribute has exactly one type of keyword, keyword_list, text, int, double, bool, "
    "datetime"
)
NUMBER = "not a number from {least} to {most}, nor a JMESPath expression that yields one"
NO_RETRY = (
    "`retry` has no meaning where the workflow is signalled: a run that is retried has none of the "
    "signals of the one before"
)
DELAY = (
    "neither a duration like 30s, 5m, 12h or 90d nor a template with an {expression} that yields "
    "one, or a time"
)
DURATION = "not a duration like 30s, 5m, 12h or 90d"
SEPARATOR = (
    "between two {...} there must be a separator such as ':', by which their values can be told "
    "apart: no letter, digit, percent sign, double quote, backslash or control character"
)
SIGNAL = "`signal` names a signal with `deliver: signal` or `when_running: signal`, and only then"

MISTAKES = {
    "no version": (GOOD.replace("version: 1\n", ""), ["1:1: version: Field required"]),
    "another version": (
        GOOD.replace("version: 1", "version: 2"),
        ["1:10: version: Input should be 1"],
    ),
    "no routes": ("version: 1\n", ["1:1: routes: Field required"]),
    "an empty list of routes": (
        "version: 1\nroutes: []\n",
        ["2:9: routes: List should have at least 1 item after validation, not 0"],
    ),
    "routes by name": (
        "version: 1\nroutes:\n  reports: {}\n",
        ["3:3: routes: Input should be a valid list"],
    ),
    "not a mapping": (
        "- version: 1\n",
        ["1:1: the file: Input should be a valid dictionary or instance of RoutingFile"],
    ),
    "an unknown field": (
        GOOD + "    taskqueue: x\n",
        ["8:5: routes[0].taskqueue: there is no such field"],
    ),
    "an unknown choice for the rest": (
        GOOD + "otherwise: ask\n",
        ["8:12: otherwise: Input should be 'quarantine' or 'drop'"],
    ),
    "an unknown field at the top": (
        GOOD + "default: x\n",
        ["8:1: default: there is no such field"],
    ),
    "a missing field": (
        GOOD.replace("    task_queue: reports\n", ""),
        ["3:5: routes[0].task_queue: Field required"],
    ),
    "an empty workflow": (
        GOOD.replace("workflow: Report", "workflow: ''"),
        ["6:15: routes[0].workflow: String should have at least 1 character"],
    ),
    "a number for a name": (
        GOOD.replace("name: reports", "name: 7"),
        ["3:11: routes[0].name: Input should be a valid string"],
    ),
    "a name with a space": (
        GOOD.replace("name: reports", "name: my reports"),
        ["3:11: routes[0].name: String should match pattern '^[a-z0-9][a-z0-9_-]{0,62}$'"],
    ),
    "a name twice": (
        GOOD + GOOD.partition("routes:\n")[2],
        ["8:11: routes[1].name: two routes are named reports"],
    ),
    "a field twice": (
        GOOD + "    workflow: Other\n",
        ["8:5: routes[0].workflow: it occurs twice"],
    ),
    "two dialects in one filter": (
        with_match("exact: {type: a}\nprefix: {type: b}"),
        [f"5:7: routes[0].match: {ONE_DIALECT}"],
    ),
    "an empty filter": (
        with_match("- {}"),
        [f"5:9: routes[0].match[0]: {ONE_DIALECT}"],
    ),
    "an empty list of filters": (
        with_match("[]"),
        ["5:7: routes[0].match: List should have at least 1 item after validation, not 0"],
    ),
    "an unknown dialect": (
        with_match("- exact: {type: a}\n- regex: {type: b}"),
        ["6:9: routes[0].match[1].regex: there is no such field"],
    ),
    "a deep mistake": (
        with_match(
            """\
            all:
              - any:
                  - not: {exact: {type: a}}
                  - not: {suffix: {type: 7}}
            """
        ),
        ["8:36: routes[0].match.all[0].any[1].not.suffix.type: Input should be a valid string"],
    ),
    "a broken expression": (
        with_match("- jmespath: foo["),
        [
            "5:19: routes[0].match[0].jmespath: not a JMESPath expression: "
            'Invalid jmespath expression: Incomplete expression: "foo[" ^'
        ],
    ),
    "an unknown function": (
        with_match("- jmespath: lenght(a)"),
        ["5:19: routes[0].match[0].jmespath: JMESPath has no function lenght()"],
    ),
    "a constant child ID": (
        GOOD + "    child_id: always-the-same\n",
        [
            "8:15: routes[0].child_id: it names the same workflow for every event; "
            "put an {expression} into it"
        ],
    ),
    "an unclosed template": (
        GOOD + "    child_id: 'a{subject'\n",
        ["8:15: routes[0].child_id: not a template: expected '}' before end of string"],
    ),
    "an empty expression in a template": (
        GOOD + "    child_id: 'a{}'\n",
        [
            "8:15: routes[0].child_id: each {...} holds a JMESPath expression over the event, "
            "e.g. {subject}"
        ],
    ),
    "a format in a template": (
        GOOD + "    child_id: 'a{subject:>10}'\n",
        [
            "8:15: routes[0].child_id: each {...} holds a JMESPath expression over the event, "
            "e.g. {subject}"
        ],
    ),
    "an unknown policy": (
        GOOD + "    when_running: replace\n",
        [
            "8:19: routes[0].when_running: Input should be 'reject', 'signal', 'start_new', "
            "'terminate_existing' or 'ignore'"
        ],
    ),
    "a policy without its signal": (
        GOOD + "    when_running: signal\n",
        [f"3:5: routes[0]: {SIGNAL}"],
    ),
    "a signal without its policy": (
        GOOD + "    signal: event\n",
        [f"3:5: routes[0]: {SIGNAL}"],
    ),
    "a delivery by signal without a signal": (
        GOOD + "    deliver: signal\n",
        [f"3:5: routes[0]: {SIGNAL}"],
    ),
    "a signal that our workflow does not know": (
        OURS.replace("signal: event", "signal: events"),
        ["3:5: routes[0]: Incident takes no events by signal 'events' (it has: event)"],
    ),
    "the workflow that routes events": (
        OURS.replace("Incident", "RootOrchestrator")
        .replace("incident\n", "root\n")
        .replace("deliver: signal\n    signal: event", "deliver: start"),
        [
            "3:5: routes[0]: RootOrchestrator routes events itself; `deliver: orchestrate` sends "
            "them there"
        ],
    ),
    "a workflow that our worker does not serve": (
        OURS.replace("Incident", "Invoice"),
        [
            "3:5: routes[0]: task queue tidegate-incident is our worker's, which serves "
            "Incident, OnCall, Heartbeat and no Invoice"
        ],
    ),
    "a task queue on which our workflow is not served": (
        OURS.replace("tidegate-incident", "incidents"),
        ["3:5: routes[0]: Incident is served on task queue tidegate-incident"],
    ),
    "a delivery that there is not": (
        GOOD + "    deliver: post\n",
        ["8:14: routes[0].deliver: Input should be 'orchestrate', 'start' or 'signal'"],
    ),
    "a start under an ID that is not the event's": (
        GOOD + "    deliver: start\n    child_id: 'x:{subject}'\n",
        [
            "3:5: routes[0]: `deliver: start` needs a child_id with {tidegatekey} in it: it is "
            "what makes a redelivery the same workflow"
        ],
    ),
    "a choice for running children without an orchestrator": (
        GOOD + "    deliver: start\n    when_running: reject\n",
        ["3:5: routes[0]: `when_running` has no meaning with `deliver: start`"],
    ),
    "a choice for missing workflows without a signal": (
        GOOD + "    when_missing: quarantine\n",
        ["3:5: routes[0]: `when_missing` has no meaning with `deliver: orchestrate`"],
    ),
    "a choice for missing workflows that there is not": (
        GOOD + "    deliver: signal\n    signal: event\n    when_missing: never\n",
        ["10:19: routes[0].when_missing: Input should be 'start' or 'quarantine'"],
    ),
    "two values that run into each other": (
        GOOD + "    child_id: '{source}{subject}'\n",
        [f"8:15: routes[0].child_id: {SEPARATOR}"],
    ),
    "a duration without a unit": (
        GOOD + "    timeouts: {run: 30}\n",
        [f"8:21: routes[0].timeouts.run: {DURATION}"],
    ),
    "a duration in words": (
        GOOD + "    timeouts: {run: ten minutes}\n",
        [f"8:21: routes[0].timeouts.run: {DURATION}"],
    ),
    "a duration of nothing": (
        GOOD + "    timeouts: {task: 0s}\n",
        [f"8:22: routes[0].timeouts.task: {DURATION}"],
    ),
    "a duration without end": (
        GOOD + "    timeouts: {task: " + "9" * 30 + "d}\n",
        [f"8:22: routes[0].timeouts.task: {DURATION}"],
    ),
    "an input that is no expression": (
        GOOD + "    input: [subject, 'data.[']\n",
        [
            "8:22: routes[0].input[1]: not a JMESPath expression: "
            'Invalid jmespath expression: Incomplete expression: "data.[" ^'
        ],
    ),
    "one input that is no expression": (
        GOOD + "    input: lenght(data)\n",
        ["8:12: routes[0].input: JMESPath has no function lenght()"],
    ),
    "an input without arguments": (
        GOOD + "    input: []\n",
        ["8:12: routes[0].input: List should have at least 1 item after validation, not 0"],
    ),
    "an input that is empty": (
        GOOD + "    input: ['']\n",
        ["8:13: routes[0].input[0]: String should have at least 1 character"],
    ),
    "a constant for an input": (
        GOOD + "    input: 7\n",
        ["8:12: routes[0].input: Input should be a valid list"],
    ),
    "an input with too many arguments": (
        GOOD + f"    input: [{', '.join(['id'] * 21)}]\n",
        ["8:12: routes[0].input: List should have at most 20 items after validation, not 21"],
    ),
    "an input for a workflow of ours": (
        OURS + "    input: data\n",
        ["3:5: routes[0]: Incident takes events as they are, and no `input`"],
    ),
    "an invalid schema": (
        GOOD + "    schema: {properties: {a: {type: objet}}}\n",
        [
            "8:37: routes[0].schema.properties.a.type: not a JSON Schema: 'objet' is not valid "
            "under any of the given schemas"
        ],
    ),
    "a schema with an invalid pattern": (
        GOOD + "    schema: {pattern: '['}\n",
        ["8:23: routes[0].schema.pattern: not a JSON Schema: '[' is not a 'regex'"],
    ),
    "a schema elsewhere": (
        GOOD + "    schema: {items: [{$ref: 'https://example.com/a'}], $schema: "
        "'http://json-schema.org/draft-07/schema#'}\n",
        [
            "8:29: routes[0].schema.items[0].$ref: nothing outside the schema is read: "
            "refer to a part of it, as #/$defs/name"
        ],
    ),
    "a schema in another file": (
        GOOD + "    schema: {$ref: other.json}\n",
        [
            "8:20: routes[0].schema.$ref: nothing outside the schema is read: "
            "refer to a part of it, as #/$defs/name"
        ],
    ),
    "a schema that refers to a part that is not there": (
        GOOD + "    schema: {$ref: '#/$defs/a'}\n",
        ["8:20: routes[0].schema.$ref: there is no such part of the schema"],
    ),
    "a schema that moves its references": (
        GOOD + "    schema: {properties: {a: {$id: 'https://example.com/a'}}}\n",
        ["8:36: routes[0].schema.properties.a.$id: a schema within a schema has no `$id`"],
    ),
    "a schema without end": (
        GOOD + "    schema: {$ref: '#'}\n",
        ["8:13: routes[0].schema: it refers to itself without end"],
    ),
    "a schema in a dialect of somebody's own": (
        GOOD + "    schema: {$schema: 'https://example.com/mine'}\n",
        ["8:23: routes[0].schema.$schema: not a dialect of JSON Schema that is known here"],
    ),
    "a schema that is not JSON": (
        GOOD + "    schema: {enum: [2026-01-01]}\n",
        [
            "8:13: routes[0].schema: it has no JSON form: Object of type date is not JSON "
            "serializable"
        ],
    ),
    "a schema that is too large": (
        GOOD + f"    schema: {{description: {'x' * 262_144}}}\n",
        ["8:13: routes[0].schema: it has 262,163 characters, over the limit of 262,144"],
    ),
    "a list for a schema": (
        GOOD + "    schema: [a]\n",
        ["8:13: routes[0].schema: Input should be a valid dictionary"],
    ),
    "a search attribute of no type": (
        GOOD + "    search_attributes: {Customer: {}}\n",
        [f"8:35: routes[0].search_attributes.Customer: {ONE_TYPE}"],
    ),
    "a search attribute of two types": (
        GOOD + "    search_attributes:\n      Customer: {keyword: id, int: data.n}\n",
        [f"9:17: routes[0].search_attributes.Customer: {ONE_TYPE}"],
    ),
    "a search attribute of an unknown type": (
        GOOD + "    search_attributes: {Customer: {uuid: id}}\n",
        ["8:36: routes[0].search_attributes.Customer.uuid: there is no such field"],
    ),
    "a search attribute of a broken expression": (
        GOOD + "    search_attributes: {Customer: {int: lenght(id)}}\n",
        [
            "8:41: routes[0].search_attributes.Customer.int: JMESPath has no function lenght()",
        ],
    ),
    "a search attribute of another name": (
        GOOD + "    search_attributes: {my customer: {int: id}}\n",
        [
            "8:38: routes[0].search_attributes.my customer: String should match pattern "
            "'^[A-Za-z][A-Za-z0-9_-]{0,63}$'"
        ],
    ),
    "a search attribute of two types in two routes": (
        GOOD
        + "    search_attributes: {Customer: {int: id}}\n"
        + GOOD.partition("routes:\n")[2].replace("name: reports", "name: others")
        + "    search_attributes: {Customer: {keyword: id}}\n",
        ["14:35: routes[1].search_attributes.Customer: Customer has the type int in route reports"],
    ),
    "a memo that is no mapping": (
        GOOD + "    memo: data\n",
        ["8:11: routes[0].memo: Input should be a valid dictionary"],
    ),
    "a memo of a broken expression": (
        GOOD + "    memo: {a: 'data['}\n",
        [
            "8:15: routes[0].memo.a: not a JMESPath expression: "
            'Invalid jmespath expression: Incomplete expression: "data[" ^'
        ],
    ),
    "a summary of a broken template": (
        GOOD + "    static_summary: 'a {data'\n",
        ["8:21: routes[0].static_summary: not a template: expected '}' before end of string"],
    ),
    "a priority out of its range": (
        GOOD + "    priority: 6\n",
        [f"8:15: routes[0].priority: {NUMBER.format(least=1, most=5)}"],
    ),
    "a priority that is true": (
        GOOD + "    priority: true\n",
        [f"8:15: routes[0].priority: {NUMBER.format(least=1, most=5)}"],
    ),
    "a priority of a broken expression": (
        GOOD + "    priority: lenght(data)\n",
        ["8:15: routes[0].priority: JMESPath has no function lenght()"],
    ),
    "fairness without a key": (
        GOOD + "    fairness: {weight: 2}\n",
        ["8:15: routes[0].fairness.key: Field required"],
    ),
    "a weight of nothing": (
        GOOD + "    fairness: {key: id, weight: 0}\n",
        [f"8:33: routes[0].fairness.weight: {NUMBER.format(least=0.001, most=1000)}"],
    ),
    "retries that begin with the longest interval": (
        GOOD + "    retry: {initial_interval: 1h, maximum_interval: 5m}\n",
        ["8:12: routes[0].retry: `maximum_interval` is shorter than `initial_interval`"],
    ),
    "retries that shrink": (
        GOOD + "    retry: {backoff: 0.5}\n",
        ["8:22: routes[0].retry.backoff: Input should be greater than or equal to 1"],
    ),
    "no attempts": (
        GOOD + "    retry: {maximum_attempts: 0}\n",
        ["8:31: routes[0].retry.maximum_attempts: Input should be greater than or equal to 1"],
    ),
    "retries of a workflow that is signalled": (
        GOOD + "    deliver: signal\n    signal: event\n    retry: {}\n",
        [f"3:5: routes[0]: {NO_RETRY}"],
    ),
    "retries of a child that is signalled": (
        GOOD + "    when_running: signal\n    signal: event\n    retry: {}\n",
        [f"3:5: routes[0]: {NO_RETRY}"],
    ),
    "an invalid delay": (
        GOOD.replace("workflow:", "deliver: start\n    workflow:") + "    start_delay: soon\n",
        [f"9:18: routes[0].start_delay: {DELAY}"],
    ),
    "a delay without a unit": (
        GOOD.replace("workflow:", "deliver: start\n    workflow:") + "    start_delay: 10\n",
        [f"9:18: routes[0].start_delay: {DELAY}"],
    ),
    "a delay of a child": (
        GOOD + "    start_delay: 10m\n",
        [
            "3:5: routes[0]: `start_delay` has no meaning with `deliver: orchestrate`: Temporal "
            "starts a child immediately"
        ],
    ),
    "options of what is never started": (
        GOOD
        + "    deliver: signal\n    signal: event\n    when_missing: quarantine\n"
        + "    priority: 1\n    memo: {a: id}\n",
        [
            "3:5: routes[0]: `memo`, `priority`: nothing of it has a meaning with "
            "`when_missing: quarantine`, which starts no workflow"
        ],
    ),
    "the end of a workflow of ours": (
        OURS.replace("deliver: signal\n    signal: event", "when_running: terminate_existing"),
        [
            "3:5: routes[0]: `when_running: terminate_existing` would end the Incident with all "
            "that it knows"
        ],
    ),
    "another's end by a start": (
        GOOD + "    deliver: start\n    when_running: terminate_existing\n",
        ["3:5: routes[0]: `when_running` has no meaning with `deliver: start`"],
    ),
    "a signal that is ignored": (
        GOOD + "    when_running: ignore\n    signal: event\n",
        [f"3:5: routes[0]: {SIGNAL}"],
    ),
    "several mistakes": (
        GOOD.replace("version: 1", "version: 2") + "    child_id: x\n    queue: y\n",
        [
            "1:10: version: Input should be 1",
            "8:15: routes[0].child_id: it names the same workflow for every event; "
            "put an {expression} into it",
            "9:5: routes[0].queue: there is no such field",
        ],
    ),
    "not YAML": (
        "version: 1\nroutes: [",
        ["2:10: not YAML: expected the node content, but found '<stream end>'"],
    ),
    "a tab": (
        "version: 1\n\troutes: []\n",
        ["2:1: not YAML: found character '\\t' that cannot start any token"],
    ),
    "two documents": (
        "version: 1\n---\nversion: 1\n",
        ["2:1: not YAML: but found another document"],
    ),
    "nothing": ("# only a comment\n", [" it is empty"]),
}

BY_STRUCTURE_ALONE = {
    # What a schema cannot say: it needs the expressions' and templates' own languages, or counts.
    "a name twice",
    "a field twice",
    "two dialects in one filter",
    "an empty filter",
    "a broken expression",
    "an unknown function",
    "a constant child ID",
    "an unclosed template",
    "an empty expression in a template",
    "a format in a template",
    "a policy without its signal",
    "a signal without its policy",
    "a choice for running children without an orchestrator",
    "a choice for missing workflows without a signal",
    "a delivery by signal without a signal",
    "a signal that our workflow does not know",
    "the workflow that routes events",
    "a workflow that our worker does not serve",
    "a task queue on which our workflow is not served",
    "a start under an ID that is not the event's",
    "two values that run into each other",
    "an input that is no expression",
    "one input that is no expression",
    "the end of a workflow of ours",
    "another's end by a start",
    "a signal that is ignored",
    "a priority of a broken expression",
    "retries that begin with the longest interval",
    "retries of a workflow that is signalled",
    "retries of a child that is signalled",
    "an invalid delay",
    "a delay of a child",
    "options of what is never started",
    "a search attribute of no type",
    "a search attribute of two types",
    "a search attribute of a broken expression",
    "a search attribute of two types in two routes",
    "a memo of a broken expression",
    "a summary of a broken template",
    "an invalid schema",
    "a schema with an invalid pattern",
    "a schema elsewhere",
    "a schema in another file",
    "a schema that refers to a part that is not there",
    "a schema that moves its references",
    "a schema without end",
    "a schema in a dialect of somebody's own",
    "a schema that is not JSON",
    "a schema that is too large",
    "an input for a workflow of ours",
    "a duration in words",
    "a duration of nothing",
    "a duration without end",
    "not YAML",
    "a tab",
    "two documents",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_by_line_column_and_field(tmp_path: Path, mistake: str) -> None:
    text, expected = MISTAKES[mistake]
    assert problems(tmp_path, text) == expected


@pytest.mark.parametrize("separator", '"\\%\x01\x7f\u2028\u2029x7é')
def test_what_a_value_is_written_with_cannot_separate_it_from_the_next(
    tmp_path: Path, separator: str
) -> None:
    template = json.dumps(f"{{source}}{separator}{{subject}}")
    assert problems(tmp_path, GOOD + f"    child_id: {template}\n") == [
        f"8:15: routes[0].child_id: {SEPARATOR}"
    ]


@pytest.mark.parametrize("mistake", sorted(MISTAKES.keys() - BY_STRUCTURE_ALONE))
def test_the_schema_refuses_it_too(mistake: str) -> None:
    text, _ = MISTAKES[mistake]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), routes_schema())


def test_a_schema_may_be_a_file_beside_the_table(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "order.json").write_text('{"type": "object"}')
    path = tmp_path / "routes.yaml"
    path.write_text(GOOD + "    schema: schemas/order.json\n")
    in_a_file = load_routes(path).compiled()
    path.write_text(GOOD + "    schema: {type: object}\n")
    assert in_a_file == load_routes(path).compiled()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "cannot be read: No such file or directory"),
        ("{", "order.json: it is not JSON: Expecting property name enclosed in double quotes"),
        ("[1]", "order.json: it is not a JSON object"),
        ("[" * 100_000, "order.json: it is not JSON: maximum recursion depth"),
        (" " * 300_000, "order.json: it has more than 262,144 characters"),
        ("\xff", "order.json cannot be read: it is not text in UTF-8"),
        ('{"items": {"minimum": "a"}}', "at $.items.minimum: not a JSON Schema: 'a' is not of"),
        ('{"anyOf": [{"$ref": "b.json"}]}', "at $.anyOf[0].$ref: nothing outside the schema"),
    ],
)
def test_an_invalid_schema_in_a_file_is_named(
    tmp_path: Path, text: str | None, problem: str
) -> None:
    file = tmp_path / "order.json"
    if text is not None:
        file.write_bytes(text.encode("latin-1"))
    [found] = problems(tmp_path, GOOD + "    schema: order.json\n")
    assert found.startswith("8:13: routes[0].schema: ")
    assert problem in found


def test_a_file_that_contains_itself_is_refused(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, "version: 1\nroutes: &a [*a]\n")
    assert problem == "2:13: aliases are not supported: write it out"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError, match=r"nowhere\.yaml: cannot be read: .*No such file"):
        load_routes(tmp_path / "nowhere.yaml")


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, b"version: 1 # \xff")
    assert "cannot be read: it is not text in UTF-8" in problem
