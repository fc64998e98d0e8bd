"""The app as Microsoft's worker indexes it: its report to the host, and what it would refuse.

The rules are those of `functions.py` and `loader.py` in Azure/azure-functions-python-worker.
"""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from typing import Any, get_type_hints

import azure.functions as func
import pytest
from azure.functions.decorators.function_app import Function, FunctionRegister

import function_app
from functions_azure import app as package
from tests.support.azure import INDEX

IN, OUT = "IN", "OUT"
BUS = {
    "type": "serviceBusTrigger",
    "direction": IN,
    "name": "message",
    "connection": "ServiceBusConnection",
    "cardinality": "ONE",
    "dataType": "BINARY",
}
HTTP = {"type": "httpTrigger", "direction": IN, "name": "request", "authLevel": "ANONYMOUS"}
ANSWER = {"type": "http", "direction": OUT, "name": "$return"}
BINDINGS: dict[str, list[dict[str, Any]]] = {
    "blob_events_queue": [BUS | {"queueName": "%BLOB_EVENTS_QUEUE%"}],
    "blob_events_grid": [{"type": "eventGridTrigger", "direction": IN, "name": "event"}],
    "messages_queue": [BUS | {"queueName": "%MESSAGES_QUEUE%"}],
    "messages_topic": [
        BUS | {"topicName": "%MESSAGES_TOPIC%", "subscriptionName": "%MESSAGES_SUBSCRIPTION%"}
    ],
    "webhook": [HTTP | {"route": "hooks/{*name}", "methods": ["POST", "PUT", "OPTIONS"]}, ANSWER],
    "healthz": [HTTP | {"route": "healthz", "methods": ["GET", "HEAD"]}, ANSWER],
}


def bindings(function: Function) -> list[dict[str, Any]]:
    """What the worker sends to the host: each binding as JSON."""
    return [json.loads(binding) for binding in function.get_raw_bindings()]


def converter(binding: str) -> Any:
    return func.get_binding_registry().get(binding)


def test_the_module_has_exactly_one_app() -> None:
    apps = [value for value in vars(function_app).values() if isinstance(value, FunctionRegister)]
    assert apps == [package.app]


def test_the_app_has_these_functions() -> None:
    assert set(INDEX) == set(BINDINGS)


@pytest.mark.parametrize("name", BINDINGS)
def test_a_functions_bindings(name: str) -> None:
    assert bindings(INDEX[name]) == BINDINGS[name]
    described = json.loads(INDEX[name].get_function_json())
    assert described == {"scriptFile": "function_app.py", "bindings": BINDINGS[name]}


@pytest.mark.parametrize("name", BINDINGS)
def test_a_functions_parameters_are_its_bindings(name: str) -> None:
    parameters = inspect.signature(INDEX[name].get_user_function()).parameters
    bound = {binding["name"] for binding in bindings(INDEX[name])}
    assert set(parameters) == bound - {"$return"}


@pytest.mark.parametrize("name", BINDINGS)
def test_the_worker_can_convert_a_functions_parameters(name: str) -> None:
    function = INDEX[name]
    hints = get_type_hints(function.get_user_function())
    for binding in bindings(function):
        if binding["direction"] == IN:
            hint = hints[binding["name"]]
            # The worker extracts text and bytes without a converter.
            assert hint in (str, bytes) or converter(binding["type"]).check_input_type_annotation(
                hint
            )


@pytest.mark.parametrize("name", BINDINGS)
def test_no_function_returns_a_value_without_a_binding_for_it(name: str) -> None:
    function = INDEX[name]
    returned = get_type_hints(function.get_user_function())["return"]
    outputs = [binding for binding in bindings(function) if binding["direction"] == OUT]
    if not outputs:
        assert returned is type(None)
    for output in outputs:
        assert output["name"] == "$return"
        assert converter(output["type"]).check_output_type_annotation(returned)


@pytest.mark.parametrize("name", BINDINGS)
def test_a_function_runs_on_the_workers_one_loop(name: str) -> None:
    assert inspect.iscoroutinefunction(INDEX[name].get_user_function())


LOAD = """
import json, function_app
print(json.dumps({
    each.get_function_name(): [json.loads(binding) for binding in each.get_raw_bindings()]
    for each in function_app.app.get_functions()
}))
"""


def loaded(**given: str) -> subprocess.CompletedProcess[str]:
    """The app's bindings as a new process with these settings sees them."""
    environment = {**os.environ, **given}
    return subprocess.run(
        [sys.executable, "-c", LOAD], env=environment, capture_output=True, text=True, check=False
    )


def test_with_sessions_messages_of_queue_and_topic_come_in_order() -> None:
    """And uploads, which have no session, come as before."""
    indexed = json.loads(loaded(MESSAGES_SESSIONS="true").stdout)
    of = {name: each[0].get("isSessionsEnabled") for name, each in indexed.items()}
    assert {name for name, sessions in of.items() if sessions} == {
        "messages_queue",
        "messages_topic",
    }


def test_an_unknown_value_for_sessions_is_refused_while_the_app_loads() -> None:
    done = loaded(MESSAGES_SESSIONS="yes")
    assert done.returncode
    assert "MESSAGES_SESSIONS is 'yes': write true or false" in done.stderr
