from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from core.config.routing_table import main

LOADED = "import json, sys; print(json.dumps(sorted(sys.modules)))"
FIRST_EVENT = """
from core.domain.event import ALERT, Event
from functions_azure.runtime import intake
alert = Event(id="1", source="/s", type=ALERT, key="k", scope="queue:q", data={"key": 1})
assert intake()._router.target(alert).id == "incident:queue:q:1"
"""


def loaded(then: str = "", **env: str) -> set[str]:
    """The modules that are loaded with the app, and by the code that runs `then`."""
    done = subprocess.run(
        [sys.executable, "-c", f"import function_app\n{then}\n{LOADED}"],
        env={"PATH": os.environ["PATH"], **env},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(json.loads(done.stdout))


def test_the_app_loads_neither_workers_nor_stores_nor_telemetry() -> None:
    modules = loaded()
    top = {name.partition(".")[0] for name in modules}
    foreign = {
        "aiohttp",
        "apprise",
        "aws_lambda_powertools",
        "boto3",
        "botocore",
        "functions_aws",
        "infra",
        "opentelemetry",
        "pydantic",
        "requests",
        "typer",
        "workers",
    }
    assert top & foreign == set()
    azure = {name for name in modules if name.startswith("azure.")}
    assert {name.split(".")[1] for name in azure} == {"functions"}
    assert "temporalio.service" in modules


def test_a_compiled_table_is_used_without_yaml_pydantic_or_jmespath(tmp_path: Path) -> None:
    table = tmp_path / "routes.compiled.json"
    assert main(["--output", str(table)]) == 0
    modules = loaded(
        then=FIRST_EVENT,
        TIDEGATE_ROUTES=str(table),
        TIDEGATE_QUARANTINE=f"file://{tmp_path}/",
    )
    top = {name.partition(".")[0] for name in modules}
    assert top & {"pydantic", "pydantic_core", "yaml", "jmespath"} == set()
    assert "core.domain.routing.file" not in modules


def test_telemetry_is_loaded_where_it_is_configured() -> None:
    connection = "InstrumentationKey=00000000-0000-0000-0000-000000000000"
    modules = loaded(
        APPLICATIONINSIGHTS_CONNECTION_STRING=f"{connection};IngestionEndpoint=http://127.0.0.1:9/",
        APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL="true",
        APPLICATIONINSIGHTS_SDKSTATS_DISABLED="true",
        APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED="true",
    )
    assert "azure.monitor.opentelemetry.exporter" in modules
    assert not {"boto3", "workers", "pydantic"} & modules
