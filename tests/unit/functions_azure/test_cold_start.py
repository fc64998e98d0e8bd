from __future__ import annotations

import json
import os
import subprocess
import sys

LOADED = "import json, sys, function_app; print(json.dumps(sorted(sys.modules)))"


def loaded(**env: str) -> set[str]:
    """The modules that are loaded with the app."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED],
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
