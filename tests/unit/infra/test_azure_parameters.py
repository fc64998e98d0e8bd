"""What can be configured on Azure: every parameter has a variable for azd, one default and a row in
the documentation; what cannot work is refused with a sentence, before anything is made."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.contracts import WORKERS
from core.domain.event import OWN_TYPES
from core.formats.registry import EXTERNAL, MAPPED
from core.webhooks.presets import names as preset_names
from tests.gates import bicep_compiler
from tests.support.azure import INDEX
from tests.support.azure_parameters import Parameter, parameters
from tests.support.azure_snapshot import (
    AZURE,
    EXAMPLES,
    ROOT,
    app_settings,
    made,
    only,
    outputs,
    read,
    site,
    variables,
)
from tests.support.bicep import COMPILER, needs_compiler, rewrite

DOCUMENTATION = (ROOT / "docs/deploy-azure.md").read_text(encoding="utf-8")

AZD = {"environmentName": "AZURE_ENV_NAME", "location": "AZURE_LOCATION"}
"""Variables of azd's own."""


def variable(template: str, parameter: str) -> str:
    """The variable that azd passes for a parameter: its name in capitals, after the worker's where
    each has one."""
    if parameter in AZD:
        return AZD[parameter]
    name = re.sub(r"(?=[A-Z])", "_", parameter).upper()
    if template == "main" or parameter == "linkKeys" or parameter.startswith("temporal"):
        return name
    if parameter == "appUrl":
        return "PLATFORM_APP_URL"  # the output of main.bicep, which azd keeps
    worker = template.replace("-", "_").upper()
    return f"SERVICE_{worker}_IMAGE_NAME" if parameter == "image" else f"{worker}_{name}"


CONFIGURED = [
    (template, parameter)
    for template in ("main", *(spec.name for spec in WORKERS))
    for parameter in parameters(f"{template}.bicep").values()
]
every_parameter = pytest.mark.parametrize(
    ("template", "parameter"), CONFIGURED, ids=[f"{t}-{p.name}" for t, p in CONFIGURED]
)


@every_parameter
def test_azd_has_a_variable_for_every_parameter(template: str, parameter: Parameter) -> None:
    """One of the parameter's name, so that nothing can be configured by hand alone."""
    text = (AZURE / f"{template}.bicepparam").read_text(encoding="utf-8")
    [value] = re.findall(rf"^param {parameter.name} = (.*(?:\n  .*)*)", text, re.M)
    read = set(re.findall(r"readEnvironmentVariable\('(\w+)'", value))
    assert read - {"AZURE_ENV_NAME"} == {variable(template, parameter.name)} - {"AZURE_ENV_NAME"}


@every_parameter
def test_every_parameter_is_in_a_table_with_its_variable(
    template: str, parameter: Parameter
) -> None:
    if parameter.name in AZD or (template != "main" and parameter.name.startswith("temporal")):
        return
    shown = variable(template, parameter.name)
    for spec in WORKERS:  # a row for both workers
        if len([t for t, p in CONFIGURED if p.name == parameter.name]) > 1:
            shown = shown.replace(spec.name.replace("-", "_").upper(), "<WORKER>")
    row = rf"^\| `{parameter.name}` \| `{shown}` \| [^|]* \| [^|]+ \|$"
    assert re.search(row, DOCUMENTATION, re.M), row


@every_parameter
def test_the_table_has_the_default_of_the_template(template: str, parameter: Parameter) -> None:
    row = re.search(rf"^\| `{parameter.name}` \| `[^|]*` \| ([^|]*) \|", DOCUMENTATION, re.M)
    if row is None:
        assert parameter.name in AZD or parameter.name.startswith("temporal")
        return
    match parameter.default:
        case None:
            assert row[1] == "required"
        case "''" | "[]":
            assert row[1] == "none"
        case default if "${" in default or "?" in default:
            assert row[1] not in ("none", "required")  # an expression, in words
        case default:
            assert row[1] == f"`{default.strip('[]').strip(chr(39))}`"


def evaluated(file: Path, given: dict[str, str]) -> dict[str, Any]:
    """The parameters that a file gives a deployment, by the real compiler."""
    assert COMPILER
    done = bicep_compiler.run(COMPILER, "build-params", str(file), "--stdout", variables=given)
    assert done.returncode == 0, done.stderr
    values = json.loads(json.loads(done.stdout)["parametersJson"])["parameters"]
    return {name: each["value"] for name, each in values.items()}


REQUIRED = {
    "AZURE_ENV_NAME": "dev",
    "AZURE_LOCATION": "westeurope",
    "TEMPORAL_ADDRESS": "temporal.example.com:7233",
    "TEMPORAL_NAMESPACE": "incidents",
    "SERVICE_ROOT_WORKER_IMAGE_NAME": "registry.example.com/worker:1",
    "SERVICE_INCIDENT_WORKER_IMAGE_NAME": "registry.example.com/worker:1",
}


@needs_compiler
@pytest.mark.parametrize("template", ["main", *(spec.name for spec in WORKERS)])
def test_without_variables_the_defaults_are_the_templates(template: str) -> None:
    found = evaluated(AZURE / f"{template}.bicepparam", REQUIRED)
    for name, value in found.items():
        default = parameters(f"{template}.bicep")[name].default
        if default and not re.search(r"\$\{|\?|resourceGroup", default):
            assert json.dumps(value).replace('"', "'") == default
    if template == "main":
        assert found["resourceGroupName"] == "rg-tidegate-dev"
        assert found["serviceBusSku"] == "Standard"


@needs_compiler
def test_variables_become_lists_numbers_and_truth() -> None:
    given = {
        "ALERT_EMAILS": "a@example.com,b@example.com",
        "PRIVATE_NETWORKING": "true",
        "ZONE_REDUNDANT": " tRUE ",
        "MAXIMUM_INSTANCES": "80",
        "DISABLED_FUNCTIONS": "",
        "WEBHOOKS_FILE": "webhooks.yaml",
    }
    found = evaluated(AZURE / "main.bicepparam", REQUIRED | given)
    assert found["alertEmails"] == ["a@example.com", "b@example.com"]
    assert found["privateNetworking"] is found["zoneRedundant"] is True
    assert found["serviceBusSku"] == "Premium"
    assert found["maximumInstances"] == 80
    assert found["disabledFunctions"] == []
    assert found["webhooksFile"] == "webhooks.yaml"


# ------------------------------------------------------------------------------ what is refused

REFUSED: dict[str, tuple[str, dict[str, str], list[str]]] = {
    "with-private-networking": (
        "main.dev",
        {
            "privateNetworking": "true",
            "serviceBusSku": "'Standard'",
            "alwaysReadyInstances": "50",
            "temporalAddress": "'https://temporal.example.com'",
            "webhooksFile": "'/home/site/wwwroot/webhooks.yaml'",
            "queueFormats": "['messages']",
            "orderedMessages": "true",
            "disabledFunctions": "['messages_queue', 'messages_topic', 'message_queue']",
        },
        [
            "privateNetworking needs serviceBusSku=Premium",
            "alwaysReadyInstances is 50 and maximumInstances is 40",
            "write host:port, without https://",
            "write the name of a file beside host.json",
            "write queue=format",
            "so nothing is ordered",
            "it takes blob_events_queue, blob_events_grid, messages_queue",
        ],
    ),
    "without-private-networking": (
        "main.dev",
        {
            "allowedIpRanges": "['203.0.113.0/29']",
            "webhooksFile": "'webhooks.yaml'",
            "disabledFunctions": "['webhook']",
        },
        [
            "allowedIpRanges without privateNetworking=true would allow everybody else as well",
            "webhooksFile is set and disabledFunctions has webhook",
        ],
    ),
    "addresses-that-storage-refuses": (
        "main.prod",
        {
            "allowedIpRanges": "['203.0.113.7/32', '2001:db8::/48']",
            "temporalAddress": "'host:grpc'",
        },
        [
            "storage takes IPv4 only, and of less than four addresses each by itself",
            'temporalAddress is "host:grpc": write host:port',
        ],
    ),
    "addresses-that-nothing-has": (
        "main.prod",
        {
            "allowedIpRanges": "['203.0.113.0/29', '999.1.1.1/77', 'not-an-ip']",
            "temporalAddress": "'bad host!:99999'",
        },
        [
            'allowedIpRanges is "203.0.113.0/29, 999.1.1.1/77, not-an-ip": write addresses',
            'temporalAddress is "bad host!:99999": write host:port',
        ],
    ),
    "a-port-that-is-too-high": (
        "main.dev",
        {"temporalAddress": "'temporal.example.com:65536'"},
        ['temporalAddress is "temporal.example.com:65536": write host:port'],
    ),
    "port-0-and-an-octet-with-a-zero-before-it": (
        "main.prod",
        {
            "allowedIpRanges": "['203.0.113.07']",
            "temporalAddress": "'temporal.example.com:0'",
        },
        [
            'allowedIpRanges is "203.0.113.07": write addresses',
            'temporalAddress is "temporal.example.com:0": write host:port',
        ],
    ),
    "instances-for-webhooks-that-are-off": (
        "main.dev",
        {
            "alwaysReadyInstances": "2",
            "disabledFunctions": "['webhook', 'blob_events_grid', 'webhook']",
        },
        [
            "alwaysReadyInstances is 2 and disabledFunctions has webhook",
            'disabledFunctions names a function twice: "webhook, blob_events_grid, webhook"',
        ],
    ),
    "a-queue-with-two-formats-and-a-type-that-is-not-ours": (
        "main.dev",
        {
            "queueFormats": "['messages=grafana', 'messages=sentry']",
            "trustedTypes": "['tidegate.alert', 'a b']",
        },
        [
            'queueFormats names a queue twice: "messages=grafana, messages=sentry"',
            'trustedTypes is "tidegate.alert, a b": it takes tidegate.document.created',
        ],
    ),
    "limits": (
        "main.dev",
        {
            "maximumInstances": "39",
            "vaultRetentionDays": "6",
            "tracesPercent": "101",
            "webhookConcurrency": "102",
            "appReadyInstances": "41",
        },
        [
            "the minimum allowable value is 40",
            "the minimum allowable value is 7",
            "equal to 101) is too large to assign",
            "equal to 102) is too large to assign",
            "equal to 41) is too large to assign",
        ],
    ),
    "malformed": (
        "main.dev",
        {
            "environmentName": "'My Env!'",
            "alertEmails": "['on-call@example.com', 'on-call']",
            "credentialsExpire": "'soon'",
            "queueFormats": "['messages=nosuch', 'events/tidegate=stored_event']",
        },
        [
            'environmentName is "My Env!": write letters, digits, - and _ only',
            'alertEmails is "on-call@example.com, on-call": write addresses',
            'credentialsExpire is "soon": write a time in UTC, as 2027-06-30T00:00:00Z',
            'queueFormats is "messages=nosuch, events/tidegate=stored_event": its formats are s3',
        ],
    ),
    "a-day-that-no-month-has": (
        "main.prod",
        {"credentialsExpire": "'2027-02-29T00:00:00Z'"},
        ['credentialsExpire is "2027-02-29T00:00:00Z": write a time in UTC'],
    ),
    "a-queue-with-a-mapping-of-no-preset": (
        "main.prod",
        {"queueFormats": "['messages=mapped']"},
        ['queueFormats is "messages=mapped": its formats are'],
    ),
    "a-queue-with-a-preset-that-does-not-exist": (
        "main.prod",
        {"queueFormats": "['messages=mapped:nosuch']"},
        ['queueFormats is "messages=mapped:nosuch": its formats are'],
    ),
    "settings-of-an-application-that-there-is-not": (
        "main.dev",
        {
            "apiTokens": "'api tokens'",
            "appUrl": "'https://tidegate.example/'",
            "oidcIssuer": "'http://login.example.com'",
            "oidcRole": "'roles'",
            "appReadyInstances": "1",
        },
        [
            "are for the HTTP application, which linkKeys brings",
            'apiTokens is "api tokens": write the name of a secret',
            "without a slash at its end",
            'oidcIssuer is "http://login.example.com": write an https address',
            "oidcIssuer and oidcAudience need each other",
        ],
    ),
    "a-console-and-slack-in-part": (
        "main.prod",
        {
            "oidcIssuer": "''",
            "consoleClientId": "'console'",
            "slackTeam": "'T0123456789'",
        },
        [
            "consoleClientId is a client of oidcIssuer, which is empty",
            "slackTeam is about requests that are signed with slackSigning",
        ],
    ),
    "secrets-of-no-vault": (
        "main.prod",
        {"consoleCredential": "'env:SECRET'", "slackSigning": "'a b'"},
        [
            "consoleCredential is of consoleClientId, which is empty",
            'are "env:SECRET" and "a b": write names of secrets',
        ],
    ),
    "keys-of-links": (
        "main.prod",
        {
            "linkKeys": "['azure:kv/links', 'links', 'links']",
            "oidcIssuer": "''",
        },
        [
            'linkKeys is "azure:kv/links, links, links": write names of secrets',
            "linkKeys has 3 secrets",
            "linkKeys names a secret twice",
            "oidcIssuer and oidcAudience need each other",
            "oidcRole and oidcName are about tokens of oidcIssuer",
        ],
    ),
    "links-without-keys": (
        "incident-worker.prod",
        {"linkKeys": "[]", "vaultVariables": "'TIDEGATE_LINK_KEYS=links'"},
        ["appUrl and linkKeys need each other", "cannot set TIDEGATE_LINK_KEYS"],
    ),
    "a-worker-of-no-environment": (
        "root-worker.prod",
        {"environmentName": "'My Env!'"},
        ['environmentName is "My Env!": write letters'],
    ),
    "replicas-and-variables": (
        "incident-worker.prod",
        {
            "minReplicas": "5",
            "maxReplicas": "3",
            "vaultVariables": "'PAGER_KEY=a,PAGER_KEY=b,CHAT_URL,TIDEGATE_REPORTS=c'",
        },
        [
            "minReplicas is 5 and maxReplicas is 3",
            "write VARIABLE=secret, separated by commas",
            "names a variable twice",
            "cannot set TIDEGATE_REPORTS",
        ],
    ),
    "names-that-azure-refuses": (
        "incident-worker.prod",
        {
            "vaultVariables": "'PAGER_KEY=pager_key'",
            "temporalAddress": "'https://temporal.example.com'",
        },
        ["a secret letters, digits and -", "write host:port, without https://"],
    ),
    "no-replica": (
        "incident-worker.prod",
        {"minReplicas": "0", "drainSeconds": "541"},
        ["the minimum allowable value is 1", "the maximum allowable value is 540"],
    ),
    "one-group": (
        "deployer.prod",
        {"resourceGroupName": "'rg-tidegate-deployers'", "environmentName": "'My Env!'"},
        ["could then change who it trusts", 'environmentName is "My Env!": write letters'],
    ),
}
"""An example, what is changed in it, and what is said about that."""


QUEUES = [
    *(f"{format}-alerts={format}" for format in EXTERNAL if format != MAPPED),
    *(f"{preset}/tidegate={MAPPED}:{preset}" for preset in preset_names()),
]

ALLOWED: dict[str, tuple[str, dict[str, str]]] = {
    "none": ("main.dev", {}),
    "every-format": ("main.dev", {"queueFormats": str(QUEUES)}),
    "well-formed": (
        "main.prod",
        {
            "environmentName": "'EU_prod-1'",
            "alertEmails": "['on.call+tidegate@ops.example.com']",
            "credentialsExpire": "'2028-02-29T23:59:59Z'",
            "temporalAddress": "'10.0.0.7:65535'",
            "allowedIpRanges": "['203.0.113.7', '198.51.100.0/24', '255.0.0.1']",
            "trustedTypes": str(list(OWN_TYPES)),
        },
    ),
    "links-alone": (
        "main.prod",
        {
            "linkKeys": "['links-2', 'links-1']",
            "appUrl": "'https://tidegate.example'",
            "apiTokens": "''",
            "oidcIssuer": "''",
            "oidcAudience": "''",
            "oidcRole": "''",
            "appReadyInstances": "2",
        },
    ),
    "console-and-slack": (
        "main.prod",
        {
            "apiTokens": "''",
            "oidcAudience": "''",
            "consoleClientId": "'console'",
            "consoleCredential": "'console-credential'",
            "slackSigning": "'slack-signing'",
            "slackTeam": "'T0123456789'",
        },
    ),
    "everything": (
        "main.prod",
        {
            "orderedMessages": "true",
            "allowedIpRanges": "[]",
            "tracesPercent": "5",
            "recoverVault": "true",
            "disabledFunctions": "['messages_topic']",
            "documentRetentionDays": "400",
        },
    ),
}
"""Examples with changes that are deployed."""


def evaluate(folder: Path, example: str, changes: dict[str, str]) -> list[str]:
    """What the compiler says of an example with changes: it evaluates the template as a deployment
    does before it makes anything."""
    assert COMPILER
    copy = Path(shutil.copytree(AZURE, folder))
    file = copy / f"{example}.bicepparam"
    lines = file.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not re.match(rf"param ({'|'.join(changes) or '-'}) ", line)]
    changed = [f"param {name} = {value}" for name, value in changes.items()]
    file.write_text("\n".join([*kept, *changed, ""]), encoding="utf-8")
    return bicep_compiler.snapshot(COMPILER, file, "overwrite")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("evaluated")


@pytest.fixture(scope="module")
def printed(folder: Path) -> dict[str, str]:
    """The compiler takes seconds, so all are evaluated concurrently."""
    cases = {name: case[:2] for name, case in REFUSED.items()} | ALLOWED
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = {name: pool.submit(evaluate, folder / name, *case) for name, case in cases.items()}
    return {name: " ".join(each.result()) for name, each in found.items()}


@needs_compiler
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_work_is_refused_with_a_sentence(name: str, printed: dict[str, str]) -> None:
    assert not [sentence for sentence in REFUSED[name][2] if sentence not in printed[name]]


@needs_compiler
@pytest.mark.parametrize("name", ALLOWED)
def test_what_works_is_not_refused(name: str, printed: dict[str, str]) -> None:
    assert printed[name] == ""


@needs_compiler
def test_main_refuses_by_itself_so_not_even_its_group_is_made(tmp_path: Path) -> None:
    """A refusal in the module alone would come after the group, which the module is made in."""
    assert COMPILER
    folder = Path(shutil.copytree(AZURE, tmp_path / "azure"))
    check = "empty(problems) ? location : fail(join(problems, ' '))"
    rewrite(folder / "platform.bicep", check, "empty(problems) ? location : location")
    with (folder / "main.dev.bicepparam").open("a") as file:
        file.write("param webhooksFile = '/webhooks.yaml'\n")
    found = bicep_compiler.snapshot(COMPILER, folder / "main.dev.bicepparam", "overwrite")
    assert "write the name of a file beside host.json" in " ".join(found)


@needs_compiler
def test_the_platform_in_a_group_of_yours_refuses_the_same(tmp_path: Path) -> None:
    assert COMPILER
    folder = Path(shutil.copytree(AZURE, tmp_path / "azure"))
    file = folder / "main.dev.bicepparam"
    text = file.read_text(encoding="utf-8").replace("'main.bicep'", "'platform.bicep'")
    file.write_text(f"{text}param webhooksFile = '/webhooks.yaml'\n", encoding="utf-8")
    found = bicep_compiler.snapshot(COMPILER, file, "overwrite")
    assert "write the name of a file beside host.json" in " ".join(found)


def test_the_templates_know_every_format_and_type_that_the_code_knows() -> None:
    source = (AZURE / "modules/checks.bicep").read_text(encoding="utf-8")
    lists = dict(re.findall(r"^var (\w+) = \[(.*?)\]", source, re.M | re.S))
    listed = {name: re.findall(r"'(\S+)'", items) for name, items in lists.items()}
    plain = [each for each in EXTERNAL if each != MAPPED]
    mapped = [f"{MAPPED}:{preset}" for preset in preset_names()]
    assert listed == {"queueFormatNames": plain + mapped, "ownTypes": list(OWN_TYPES)}


@needs_compiler
def test_each_parameter_changes_what_it_says(folder: Path, printed: dict[str, str]) -> None:
    assert printed["everything"] == ""
    snapshot = json.loads((folder / "everything" / "main.prod.snapshot.json").read_text())
    by_type: dict[str, list[dict[str, Any]]] = {}
    for each in snapshot["predictedResources"]:
        by_type.setdefault(each["type"], []).append(each)
    bus = "Microsoft.ServiceBus/namespaces"
    sessions = {
        each["name"].rpartition("/")[2]: each["properties"].get("requiresSession", False)
        for each in [*by_type[f"{bus}/queues"], *by_type[f"{bus}/topics/subscriptions"]]
    }
    assert sessions == {"blob-events": False, "messages": True, "tidegate": True}
    [listeners] = [
        each for each in by_type["Microsoft.Web/sites"] if each["name"].startswith("func-")
    ]
    given = variables(listeners["properties"]["siteConfig"]["appSettings"])
    assert given["MESSAGES_SESSIONS"] == "true"
    assert given["OTEL_TRACES_SAMPLER"] == "microsoft.fixed_percentage"
    assert given["OTEL_TRACES_SAMPLER_ARG"] == "0.05"
    assert [name for name in given if name.endswith(".Disabled")] == [
        "AzureWebJobs.messages_topic.Disabled"
    ]
    [vault] = by_type["Microsoft.KeyVault/vaults"]
    assert vault["properties"]["createMode"] == "recover"
    # With no address to allow, the network alone: a bus would be open in spite of a firewall.
    closed = [
        *by_type["Microsoft.ContainerRegistry/registries"],
        *by_type[bus],
        *by_type[f"{bus}/networkRuleSets"],
    ]
    assert [each["properties"]["publicNetworkAccess"] for each in closed] == ["Disabled"] * 3
    assert closed[2]["properties"]["trustedServiceAccessEnabled"] is True  # Event Grid delivers
    [policy] = by_type["Microsoft.Storage/storageAccounts/managementPolicies"]
    rules = {rule["name"] for rule in policy["properties"]["policy"]["rules"]}
    assert rules == {"old-versions", "expire-documents", "expire-quarantine"}


@needs_compiler
def test_an_application_of_links_alone_may_read_neither_reports_nor_the_quarantine(
    folder: Path, printed: dict[str, str]
) -> None:
    assert printed["links-alone"] == ""
    made = read(folder / "links-alone" / "main.prod.snapshot.json")
    grants = [each for each in made if each.type == "Microsoft.Authorization/roleAssignments"]
    ours = [each.scope for each in grants if "id-application" in each.at("properties.principalId")]
    places = sorted(each.rpartition("/providers/Microsoft.")[2].split("/")[0] for each in ours)
    assert places == ["KeyVault"] * 4 + ["Storage"] * 2
    assert not [each for each in ours if "stdocs" in each]
    [app] = [each for each in made if each.name.startswith("app-") and each.type.endswith("/sites")]
    given = variables(app.at("properties.siteConfig.appSettings"))
    assert given["TIDEGATE_APP_URL"] == "https://tidegate.example"
    assert [each.rpartition("/")[2] for each in given["TIDEGATE_LINK_KEYS"].split(",")] == [
        "links-2",
        "links-1",
    ]
    assert not [name for name in given if name.startswith(("TIDEGATE_API", "TIDEGATE_OIDC"))]
    ready = app.at("properties.functionAppConfig.scaleAndConcurrency.alwaysReady")
    assert ready == [{"name": "http", "instanceCount": 2}]


@needs_compiler
def test_the_console_and_slack_have_their_settings_and_may_read_their_secrets(
    folder: Path, printed: dict[str, str]
) -> None:
    assert printed["console-and-slack"] == ""
    made = read(folder / "console-and-slack" / "main.prod.snapshot.json")
    [app] = [each for each in made if each.name.startswith("app-") and each.type.endswith("/sites")]
    given = variables(app.at("properties.siteConfig.appSettings"))
    assert given["TIDEGATE_CONSOLE_CLIENT_ID"] == "console"
    assert given["TIDEGATE_CONSOLE_CLIENT_SECRET"].endswith("/console-credential")
    assert given["TIDEGATE_SLACK_SIGNING_SECRET"].endswith("/slack-signing")
    assert given["TIDEGATE_SLACK_TEAM"] == "T0123456789"
    assert not {"TIDEGATE_API_TOKENS", "TIDEGATE_OIDC_AUDIENCE"} & set(given)
    scopes = [each.scope for each in made if each.type.endswith("/roleAssignments")]
    read_alone = {each.partition("/secrets/")[2] for each in scopes if "/secrets/" in each}
    assert {"console-credential", "slack-signing"} <= read_alone
    assert "api-tokens" not in read_alone


# ---------------------------------------------------------------- before azd and func do anything


def package(folder: Path, file: str) -> subprocess.CompletedProcess[str]:
    """`make azure-package` without its routing table, in a folder."""
    arguments = ["make", "--old-file", "routes", "azure-package", f"WEBHOOKS_FILE={file}"]
    shutil.copy(ROOT / "Makefile", folder)
    arguments.append(f"BIN={ROOT / '.venv' / 'bin'}")
    return subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)


def test_a_webhooks_file_that_is_not_there_is_refused_before_publishing(tmp_path: Path) -> None:
    done = package(tmp_path, "webhooks.yaml")
    assert done.returncode
    assert "WEBHOOKS_FILE is webhooks.yaml, and there is no such file" in done.stderr


def test_a_webhooks_file_with_a_fault_is_refused_before_publishing(tmp_path: Path) -> None:
    (tmp_path / "webhooks.yaml").write_text("endpoints: 1\n")
    done = package(tmp_path, "webhooks.yaml")
    assert done.returncode
    assert "webhooks.yaml" in done.stdout + done.stderr


@pytest.mark.parametrize("file", ["", "webhooks.yaml"])
def test_a_package_with_its_webhooks_file_or_without_one_is_published(
    file: str, tmp_path: Path
) -> None:
    shutil.copy(ROOT / "infra/local/webhooks.yaml", tmp_path)
    assert package(tmp_path, file).returncode == 0


def test_azd_prepares_the_package_and_checks_what_templates_cannot() -> None:
    """And what is compiled is not left out of the package."""
    azure = yaml.safe_load((ROOT / "azure.yaml").read_text())
    assert azure["hooks"]["preprovision"] == {"shell": "sh", "run": "infra/azure/preflight.sh"}
    hook = azure["services"]["listeners"]["hooks"]["prepackage"]
    assert hook == {"shell": "sh", "run": "make azure-package"}
    printed = subprocess.run(
        ["make", "--dry-run", "azure-package", "ROUTES=our/routes.yaml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "python -m core.config.routing_table our/routes.yaml" in printed
    ignored = (ROOT / ".funcignore").read_text().splitlines()
    assert not [pattern for pattern in ignored if pattern.startswith(("/core", "*.json"))]


@pytest.mark.parametrize("worker", [spec.name for spec in WORKERS])
def test_azd_applies_changed_variables_to_a_worker(worker: str) -> None:
    """Without that, only the image is replaced while the parameter file is the same, and it
    always is. Source: azd's service_target_containerapp.go, shouldUseDirectRevisionAPI."""
    service = yaml.safe_load((ROOT / "azure.yaml").read_text())["services"][worker]
    digest = f"SERVICE_{worker.replace('-', '_').upper()}_TEMPLATE_HASH"
    assert service["hooks"]["predeploy"] == {"shell": "sh", "run": f'azd env set {digest} ""'}


PROVIDERS = re.search(r"for provider in ([^;]+);", (AZURE / "preflight.sh").read_text())
assert PROVIDERS
NEEDED = PROVIDERS[1].replace("\\", " ").split()


def preflight(
    folder: Path, registered: list[str], **given: str
) -> subprocess.CompletedProcess[str]:
    """The check, with an `az` that knows two regions, one of them with zones."""
    program = folder / "az"
    program.write_text(
        f"""#!/bin/sh
case "$*" in
"account show"*) exit ${{SIGNED_OUT:-0}} ;;
*list-flexconsumption-locations*--zone-redundant*) echo westeurope ;;
*list-flexconsumption-locations*) printf 'westeurope\\nnorthcentralus\\n' ;;
"provider list"*) printf '%s\\n' {" ".join(registered)} ;;
esac
"""
    )
    program.chmod(0o755)
    return subprocess.run(
        [AZURE / "preflight.sh"],
        env={"PATH": f"{folder}:/usr/bin:/bin", **given},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("location", ["westeurope", "West Europe"])
@pytest.mark.parametrize("zones", ["", "false", "False", "true", "TRUE "])
def test_a_region_with_what_is_needed_passes(location: str, zones: str, tmp_path: Path) -> None:
    done = preflight(tmp_path, NEEDED, AZURE_LOCATION=location, ZONE_REDUNDANT=zones)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "AZURE_LOCATION is not set"),
        ({"AZURE_LOCATION": "antarctica"}, "antarctica has no Flex Consumption."),
        *(
            (
                {"AZURE_LOCATION": "northcentralus", "ZONE_REDUNDANT": zones},
                "northcentralus has no Flex Consumption with zone redundancy.",
            )
            for zones in ("true", "True", "tRUE", " true ")
        ),
        *(
            (
                {"AZURE_LOCATION": "westeurope", "ZONE_REDUNDANT": zones},
                f'ZONE_REDUNDANT is "{zones}": write true or false.',
            )
            for zones in ("1", "yes", "t rue")
        ),
        ({"AZURE_LOCATION": "westeurope", "SIGNED_OUT": "1"}, "run `az login`"),
    ],
)
def test_a_region_without_a_feature_is_refused(
    given: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    done = preflight(tmp_path, NEEDED, **given)
    assert done.returncode == 1
    assert sentence in done.stderr


CERTIFICATE, KEY = {"TEMPORAL_CLIENT_CERTIFICATE": "PEM"}, {"TEMPORAL_CLIENT_KEY": "PEM"}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"TEMPORAL_AUTH": "mtls"} | CERTIFICATE, "without TEMPORAL_CLIENT_KEY: give both"),
        ({"TEMPORAL_AUTH": "mtls"} | KEY, "without TEMPORAL_CLIENT_CERTIFICATE: give both"),
        (CERTIFICATE | KEY, "TEMPORAL_AUTH is apiKey: write mtls, or leave both out"),
        ({"TEMPORAL_AUTH": "none"} | KEY, "TEMPORAL_AUTH is none: write mtls"),
        (
            {"TEMPORAL_AUTH": "none", "TEMPORAL_API_KEY": "secret"},
            "TEMPORAL_API_KEY is set and TEMPORAL_AUTH is none",
        ),
        (
            {"TEMPORAL_AUTH": "mtls", "TEMPORAL_API_KEY": "secret"},
            "TEMPORAL_API_KEY is set and TEMPORAL_AUTH is mtls",
        ),
    ],
)
def test_credentials_that_do_not_go_with_the_authentication_are_refused(
    given: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    done = preflight(tmp_path, NEEDED, AZURE_LOCATION="westeurope", **given)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert not {"PEM", "secret"} & set(re.findall(r"\w+", done.stderr))


@pytest.mark.parametrize(
    "given",
    [
        {"TEMPORAL_API_KEY": "secret"},
        {"TEMPORAL_AUTH": "mtls"},
        {"TEMPORAL_AUTH": "mtls"} | CERTIFICATE | KEY,
        {"TEMPORAL_AUTH": "none"},
    ],
)
def test_credentials_that_go_with_the_authentication_pass(
    given: dict[str, str], tmp_path: Path
) -> None:
    done = preflight(tmp_path, NEEDED, AZURE_LOCATION="westeurope", **given)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_provider_that_is_not_registered_is_named_with_the_command(tmp_path: Path) -> None:
    done = preflight(tmp_path, NEEDED[1:], AZURE_LOCATION="westeurope")
    assert done.returncode == 1
    assert f"az provider register --wait --namespace {NEEDED[0]}" in done.stderr


def test_every_provider_of_the_templates_is_checked() -> None:
    used = {
        each["type"].partition("/")[0]
        for example in EXAMPLES
        for each in json.loads((AZURE / f"snapshots/{example}.snapshot.json").read_text())[
            "predictedResources"
        ]
    }
    always = {"Microsoft.Resources", "Microsoft.Authorization"}
    assert used - always == set(NEEDED)


# ------------------------------------------------------------------------- what parameters change


def test_functions_without_a_sender_are_switched_off() -> None:
    """Zone redundancy would keep two instances ready for each."""
    for example in ("main.dev", "main.prod"):
        off = {name for name in app_settings(example) if name.endswith(".Disabled")}
        assert off == {"AzureWebJobs.blob_events_grid.Disabled"}
    source = (AZURE / "modules/functions.bicep").read_text(encoding="utf-8")
    [names] = re.findall(r"^var functionNames = \[(.*?)\]", source, re.M | re.S)
    assert set(re.findall(r"'(\w+)'", names)) == set(INDEX) - {"healthz"}


def test_an_instance_takes_many_webhooks() -> None:
    for example in ("main.dev", "main.prod"):
        scale = site(example).at("properties.functionAppConfig.scaleAndConcurrency")
        assert scale["triggers"] == {"http": {"perInstanceConcurrency": 32}}


def test_an_instance_is_not_sent_more_webhooks_than_its_host_takes() -> None:
    """It would answer 429 to those beyond its queue, and some senders come only once."""
    http = json.loads((ROOT / "host.json").read_text())["extensions"]["http"]
    for template in ("main.bicep", "platform.bicep"):
        most = parameters(template)["webhookConcurrency"].decorators["maxValue"]
        assert int(most) == http["maxConcurrentRequests"]


def test_an_outage_ends_with_a_bounded_number_of_starts() -> None:
    """Of each queue's instances times the messages of each, as the documentation computes it."""
    host = json.loads((ROOT / "host.json").read_text())["extensions"]["serviceBus"]
    assert host["maxConcurrentSessions"] == host["maxConcurrentCalls"] == 16
    least = int(parameters("main.bicep")["maximumInstances"].default or 0)
    starts = 3 * least * host["maxConcurrentCalls"]
    assert f"3 * {least} * {host['maxConcurrentCalls']} = {starts:,}" in DOCUMENTATION


def test_an_expired_credential_is_announced_to_the_operators() -> None:
    for example in ("main.dev", "main.prod"):
        subscriptions = made("Microsoft.EventGrid/systemTopics/eventSubscriptions", example)
        [expiry] = [each for each in subscriptions if each.name.endswith("/secrets-expire")]
        destination = expiry.at("properties.destination")
        assert destination["endpointType"] == "MonitorAlert"
        operators = only("Microsoft.Insights/actionGroups", example).id
        assert destination["properties"]["actionGroups"] == [operators]
        assert expiry.at("properties.eventDeliverySchema") == "CloudEventSchemaV1_0"  # the only one


def test_what_expires_is_deleted_by_a_rule_of_its_container() -> None:
    policies = made("Microsoft.Storage/storageAccounts/managementPolicies", "main.prod")
    [policy] = policies  # the host's own account keeps all
    rules = {rule["name"]: rule["definition"] for rule in policy.at("properties.policy.rules")}
    assert set(rules) == {"old-versions", "expire-quarantine"}
    assert rules["expire-quarantine"]["filters"]["prefixMatch"] == ["quarantine/"]
    deleted = rules["expire-quarantine"]["actions"]["baseBlob"]["delete"]
    assert deleted == {"daysAfterModificationGreaterThan": 90}


def test_two_variables_of_one_secret_are_one_secret_of_the_app() -> None:
    app = only("Microsoft.App/containerApps", "incident-worker.prod")
    secrets = [each["name"] for each in app.at("properties.configuration.secrets")]
    assert secrets.count("pager-key") == 1
    [container] = app.at("properties.template.containers")
    env = variables(container["env"])
    assert env["PAGER_KEY"] == env["FALLBACK_KEY"] == "pager-key"


def test_what_if_can_predict_every_grant_and_the_app() -> None:
    """Their names are known before anything is made; only principals are not."""
    for example in ("main.dev", "main.prod"):
        for type in ("Microsoft.Authorization/roleAssignments", "Microsoft.Web/sites"):
            assert not [each for each in made(type, example) if each.name.startswith("[")]


def test_a_pipeline_may_grant_tidegates_roles_to_processes_and_nothing_else() -> None:
    grants = made("Microsoft.Authorization/roleAssignments", "deployer.prod")
    [administrator] = [each for each in grants if each.at("properties.condition")]
    condition = administrator.at("properties.condition")
    used = set(re.findall(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", condition))
    roles = (AZURE / "modules/roles.bicep").read_text(encoding="utf-8")
    [ours] = re.findall(r"^var roles = \{(.*?)^\}", roles, re.M | re.S)
    assert used == set(re.findall(r"'(\S+)'", ours))
    assert condition.count("StringEqualsIgnoreCase {'ServicePrincipal'}") == 2
    assert {each.scope.rpartition("/")[2] for each in grants} == {"rg-tidegate-prod"}
    assert outputs("deployer.prod")["AZURE_RESOURCE_GROUP"] == "rg-tidegate-prod"
