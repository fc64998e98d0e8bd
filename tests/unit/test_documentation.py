"""The documentation agrees with the code: what the code has, the documents name."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
import yaml
from pydantic import BaseModel, TypeAdapter

from core import errors
from core.adapters.notifiers.webhook import payload
from core.cli.main import app
from core.config import files, settings
from core.domain.alert import Alert, read_alert
from core.domain.durations import Delay
from core.domain.event import Event
from core.domain.expressions.expression import compiled
from core.domain.incident.commands import COMMANDS
from core.domain.incident.policies.file import MaintenanceRule, Policies, SeverityRule, SilenceRule
from core.domain.incident.policies.rules import (
    LevelRule,
    OpenAfterRule,
    PolicyRule,
    QuietRule,
    TeamRule,
)
from core.domain.incident.status import CloseReason, Status
from core.domain.matching import Match
from core.domain.oncall.file import NOBODY
from core.domain.routing.file import FilterRule, RouteRule
from core.domain.routing.options_file import AttributeRule, FairnessRule, RetryRule
from core.domain.routing.table import Deliver, Otherwise, WhenMissing, WhenRunning
from core.domain.severity import ANYBODYS_WORDS, Severity
from core.domain.targets import KINDS, Rate
from core.domain.windows import HoursRule
from core.errors import NotAccepted
from core.formats.mapping.description import Description, StatusDescription
from core.formats.mapping.values import LabelShape, TimeUnit
from core.formats.registry import EXTERNAL, read
from core.formats.shared.delivery import Delivery
from core.ports.notifier import Notification
from core.webhooks import presets
from core.webhooks.endpoints import Endpoint
from core.webhooks.verifiers.base import Reason, Verifier
from infra.local.processes import LocalStackError
from tests import demo_picture, incident_picture
from tests.support.serverless_metrics import EMITTERS, emitted_by
from tests.support.variables import ADDRESSES, REPORTING, SETTINGS

DURATION: TypeAdapter[timedelta] = TypeAdapter(Delay)
ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PACKAGES = ("core", "functions_aws", "functions_azure", "workers", "infra")
DOCUMENTS = sorted(p for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(SETTINGS | ADDRESSES | REPORTING))
def test_every_setting_is_documented(name: str) -> None:
    assert f"| `{name}` |" in text("docs/settings.md")


def test_no_setting_is_documented_that_does_not_exist() -> None:
    for document in DOCUMENTS:
        named = set(re.findall(r"\bTIDEGATE_[A-Z_]+\b", document.read_text(encoding="utf-8")))
        unknown = named - SETTINGS - ADDRESSES - REPORTING
        assert not unknown, f"{document.name} names {unknown}"


def test_the_documented_defaults_are_the_settings_own() -> None:
    rows = dict(re.findall(r"^\| `(TIDEGATE_\w+)` \| ([^|]*) \|", text("docs/settings.md"), re.M))
    for name, default, _ in settings.variables():
        if isinstance(default, int | float | str):
            documented = rows[name].strip(" `")
            assert documented == (f"{default:g}" if isinstance(default, float) else str(default))


@pytest.mark.parametrize("function", sorted(EMITTERS))
def test_every_metric_of_serverless_workers_is_documented(function: str) -> None:
    for metric in emitted_by(function):
        assert f"`{metric.name}`" in text("docs/settings.md")


def kinds(base: type[object]) -> list[type[object]]:
    """A class and all classes below it."""
    found: list[type[object]] = [base]
    for child in base.__subclasses__():
        found += kinds(child)
    return found


@pytest.mark.parametrize("code", sorted({kind.__name__ for kind in kinds(errors.TidegateError)}))
def test_every_error_code_is_documented(code: str) -> None:
    assert {NotAccepted, LocalStackError} <= set(kinds(errors.TidegateError))
    assert f"| `{code}` |" in text("docs/errors.md")


def test_the_exception_tree_is_drawn_whole() -> None:
    picture = errors.__doc__ or ""
    defined = {n for n, v in vars(errors).items() if isinstance(v, type)}
    assert {name for name in defined if name not in picture} == set()


def commands(command: Any, path: str) -> list[str]:
    children: dict[str, Any] = getattr(command, "commands", {})
    if children:
        return [line for n, child in children.items() for line in commands(child, f"{path} {n}")]
    return [path]


@pytest.mark.parametrize("line", commands(typer.main.get_command(app), "tidegate"))
def test_every_command_is_documented(line: str) -> None:
    assert re.search(rf"^\| `{line}( [A-Z]+)?` \|", text("docs/cli.md"), re.M)


@pytest.mark.parametrize("model", [RouteRule, FilterRule, AttributeRule, FairnessRule, RetryRule])
def test_every_field_of_a_route_is_documented(model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        assert f"| `{field.alias or name}` |" in text("docs/routing.md")


@pytest.mark.parametrize("choice", [*WhenRunning, *WhenMissing, *Deliver, *Otherwise])
def test_every_choice_of_a_delivery_is_documented(choice: str) -> None:
    assert f"| `{choice}` |" in text("docs/routing.md")


def test_the_routes_schema_is_current() -> None:
    assert json.loads(text("docs/schemas/routes.schema.json")) == files.routes_schema()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    body = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", body):
        if "://" not in target:
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


EXAMPLES = re.findall(r"```yaml\n(.*?)```", text("docs/routing.md"), re.S)
TABLES = [example for example in EXAMPLES if "version:" in example]


def test_the_example_tables_of_the_documentation_are_valid(tmp_path: Path) -> None:
    file = tmp_path / "routes.yaml"
    names = []
    for example in TABLES:
        file.write_text(example, encoding="utf-8")
        names += [route.name for route in files.load_routes(file).routes]
    assert names == ["invoices", "orders"]


@pytest.mark.parametrize("example", [each for each in EXAMPLES if each not in TABLES])
def test_the_example_fields_of_the_documentation_are_valid(example: str, tmp_path: Path) -> None:
    route = {
        "name": "a",
        "match": {"exact": {"type": "a"}},
        "workflow": "A",
        "task_queue": "a",
        **yaml.safe_load(example),
    }
    file = tmp_path / "routes.yaml"
    file.write_text(yaml.safe_dump({"version": 1, "routes": [route]}), encoding="utf-8")
    assert [route.name for route in files.load_routes(file).routes] == ["a"]


RULES = [
    Policies,
    *KINDS.values(),
    PolicyRule,
    LevelRule,
    QuietRule,
    HoursRule,
    Match,
    SilenceRule,
    MaintenanceRule,
]


@pytest.mark.parametrize("model", RULES, ids=lambda model: model.__name__)
def test_every_field_of_the_policies_is_documented(model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        assert f"| `{field.alias or name}` |" in text("docs/policies.md")


@pytest.mark.parametrize(
    "model", [Rate, OpenAfterRule, SeverityRule, TeamRule], ids=lambda m: m.__name__
)
def test_every_field_of_a_small_rule_is_explained(model: type[BaseModel]) -> None:
    for name in model.model_fields:
        assert f"`{name}`" in text("docs/policies.md")


def test_the_documented_defaults_are_the_policies_own() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \|([^|]*)\|", text("docs/policies.md"), re.M))
    for name, field in PolicyRule.model_fields.items():
        documented = rows[name].strip().strip("`")
        default = field.get_default()
        if isinstance(default, timedelta):
            assert DURATION.validate_python(documented) == default, name
        elif isinstance(default, bool | int):
            assert documented == str(default).lower(), name


def test_the_policies_schema_is_current() -> None:
    assert json.loads(text("docs/schemas/policies.schema.json")) == files.policies_schema()


def test_the_schema_of_the_on_call_file_is_current() -> None:
    assert json.loads(text("docs/schemas/oncall.schema.json")) == files.oncall_schema()


def test_the_example_policies_of_the_documentation_are_valid(tmp_path: Path) -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", text("docs/policies.md"), re.S)
    file = tmp_path / "policies.yaml"
    file.write_text(example, encoding="utf-8")
    policies = files.load_policies(file, NOBODY).policies
    assert [policy.name for policy in policies] == ["checkout", "everything-else"]


@pytest.mark.parametrize("name", list(Endpoint.model_fields))
def test_every_field_of_a_webhook_is_documented(name: str) -> None:
    assert f"| `{name}` |" in text("docs/webhooks.md")


@pytest.mark.parametrize("verifier", kinds(Verifier), ids=lambda kind: kind.__name__)
def test_every_scheme_and_its_fields_are_documented(verifier: type[Verifier]) -> None:
    for name, field in verifier.model_fields.items():
        if name == "scheme":
            for scheme in get_args(field.annotation):
                assert f"| `{scheme}` |" in text("docs/webhooks.md")
        else:
            assert f"`{name}`" in text("docs/webhooks.md")


@pytest.mark.parametrize("format", sorted({*EXTERNAL} - {"s3"}))
def test_every_format_of_a_webhook_is_documented(format: str) -> None:
    assert re.search(rf"^(\| )?`{format}`", text("docs/webhooks.md"), re.M)


def test_every_problem_that_a_webhook_answers_is_documented() -> None:
    found: set[str] = set()
    for module in (ROOT / "core" / "webhooks").glob("*.py"):
        source = module.read_text(encoding="utf-8")
        found |= set(re.findall(r'code="(\w+)"', source))
        found |= set(re.findall(r'Refused\(\s*HTTPStatus\.\w+,\s*"(\w+)"', source))
    assert len(found) >= 8
    for code in found:
        assert f"| `{code}` |" in text("docs/webhooks.md")


@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_reason_for_which_nobody_is_let_in_is_documented(reason: str) -> None:
    assert f"`{reason}`" in text("docs/webhooks.md")


def test_the_webhooks_schema_is_current() -> None:
    assert json.loads(text("docs/schemas/webhooks.schema.json")) == files.webhooks_schema()


def test_the_example_webhooks_of_the_documentation_are_valid(tmp_path: Path) -> None:
    example = re.findall(r"```yaml\n(.*?)```", text("docs/webhooks.md"), re.S)[0]
    file = tmp_path / "webhooks.yaml"
    file.write_text(example, encoding="utf-8")
    assert list(files.load_webhooks(file).hooks) == ["alerts-eu", "orders"]


MAPPINGS = text("docs/webhooks.md").partition("## A sender of your own")[2]


def test_the_documented_mapping_reads_the_documented_body(tmp_path: Path) -> None:
    [preset, example, _] = re.findall(r"```yaml\n(.*?)```", MAPPINGS, re.S)
    [body] = re.findall(r"```json\n(.*?)```", MAPPINGS, re.S)
    file = tmp_path / "webhooks.yaml"
    file.write_text(preset, encoding="utf-8")
    files.load_webhooks(file)
    file.write_text(example, encoding="utf-8")
    mapping = files.load_webhooks(file).hooks["plant"].compiled_mapping
    delivery = Delivery(format="mapped", body=body.encode(), unique="u", mapping=mapping)
    [arrival] = read(delivery)
    assert isinstance(arrival.item, Event)
    assert read_alert(arrival.item).model_dump(mode="json", exclude_defaults=True) == {
        "key": "Hamburg:4711",
        "status": "firing",
        "title": "Pump 3 overheats",
        "source": "plant",
        "severity": "critical",
        "service": "pump-3",
        "starts_at": "2026-03-01T12:00:00Z",
        "links": {"runbook": "https://wiki.example/pumps"},
        "labels": {
            "hall": "2",
            "machine": "pump-3",
            "line": "bottling",
            "shift": "early",
            "site": "Hamburg",
        },
    }


def test_the_documented_expressions_compile() -> None:
    lines = re.findall(r"```yaml\n(.*?)```", MAPPINGS, re.S)[2].splitlines()
    assert len(lines) == 15
    for line in lines:
        [expression] = yaml.safe_load(line).values()
        compiled(expression)


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (Description, None),
        (StatusDescription, ["firing", "resolved", "ignored", "acknowledged", "otherwise"]),
    ],
)
def test_every_field_of_a_mapping_is_documented(
    model: type[BaseModel], names: list[str] | None
) -> None:
    for name, field in model.model_fields.items():
        if names is None or name in names:
            assert f"| `{field.alias or name}` |" in MAPPINGS


@pytest.mark.parametrize("word", [*get_args(TimeUnit), *get_args(LabelShape)])
def test_every_way_to_write_times_and_labels_is_documented(word: str) -> None:
    assert re.search(rf"`(as: |shape: )?{word}`", MAPPINGS)


@pytest.mark.parametrize("name", presets.names())
def test_every_preset_is_documented(name: str, tmp_path: Path) -> None:
    assert f"| `{name}` |" in MAPPINGS
    example = re.findall(r"```yaml\n(.*?)```", text(f"docs/webhooks/{name}.md"), re.S)[0]
    file = tmp_path / "webhooks.yaml"
    file.write_text(example, encoding="utf-8")
    assert [endpoint.preset for endpoint in files.load_webhooks(file).hooks.values()] == [name]


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_of_an_incident_is_documented(name: str) -> None:
    assert f"| `{name}` |" in text("docs/incidents.md")
    for field_name, field in COMMANDS[name].model_fields.items():
        assert f"`{field.alias or field_name}`" in text("docs/incidents.md")


@pytest.mark.parametrize("word", [*Status, *CloseReason])
def test_every_state_and_every_end_of_an_incident_is_documented(word: str) -> None:
    assert f"`{word}`" in text("docs/incidents.md")


@pytest.mark.parametrize("name", [name for name in Alert.model_fields if name != "remarks"])
def test_every_field_of_an_alert_is_documented(name: str) -> None:
    assert f"| `{name}` |" in text("docs/incidents.md")


def test_the_documented_words_of_severity_are_those_that_are_read() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (`.*`) \|$", text("docs/incidents.md"), re.M)
    documented = {
        word: Severity(level)
        for level, words in rows
        if level in list(Severity)
        for word in re.findall(r"`(\w+)`", words)
    }
    assert documented == ANYBODYS_WORDS


def test_the_documented_page_carries_what_a_web_hook_sends() -> None:
    [example] = re.findall(r"```json\n(\{\s+\"kind\".*?)```", text("docs/incidents.md"), re.S)
    page = Notification(key="k", title="", body="", severity="")
    assert list(json.loads(example)) == list(payload(page))


# ------------------------------------------------------------------------- the first ten minutes


def test_the_index_lists_every_page_once() -> None:
    listed = re.findall(r"^\| \[[^]]+\]\(([^)]+)\)", text("docs/README.md"), re.M)
    pages = [path.relative_to(ROOT / "docs") for path in DOCUMENTS if path.is_relative_to(DOCS)]
    single = [str(page) for page in pages if page.parts[0] not in ("decisions", "README.md")]
    assert sorted(listed) == sorted(
        [*single, "decisions", "schemas", "../CONTRIBUTING.md", "../CHANGELOG.md"]
    )


def test_the_readme_leads_to_the_index() -> None:
    assert "](docs/README.md)" in text("README.md")


def test_the_readme_begins_with_the_two_commands() -> None:
    [first, *_] = re.findall(r"```console\n(.*?)```", text("README.md"), re.S)
    assert [line.split("#")[0].strip() for line in first.splitlines()] == ["make demo", "make test"]


def test_the_layout_in_the_readme_is_the_trees() -> None:
    [layout] = re.findall(r"## Layout\n+```\n(.*?)```", text("README.md"), re.S)
    assert set(re.findall(r"^(\w+)/", layout, re.M)) == {*PACKAGES, "tests"}
    assert set(re.findall(r"^  (\w+)/", layout, re.M)) == {
        path.parent.name for path in ROOT.glob("core/*/__init__.py")
    }


def test_the_picture_in_the_readme_shows_every_step_of_the_demo() -> None:
    source = text("infra/local/story.py")
    hops = re.findall(r'_(?:say|show_page|post)\(\s*"(\w+)"|_command\(.*, "([A-Z]\w+)"', source)
    drawn = {step.split()[0] for step in demo_picture.drawn_steps(text("docs/demo.svg"))}
    assert len(hops) > 15
    assert drawn == {"".join(hop) for hop in hops}, "make demo-picture draws it anew"


@pytest.mark.parametrize("picture", ["docs/demo.svg", "docs/incident.svg", "docs/oncall.svg"])
def test_a_picture_loads_nothing(picture: str) -> None:
    found = re.findall(r"url\((?!#).*|href|@import|<script|<image", text(picture))
    assert found == []


OUTPUT = """Starting pager, AWS (moto) ...
ready in {seconds} s

  {seconds} s  Sent          an alert, twice
  {seconds} s  Posted        to http://127.0.0.1:{port}/hooks/alertmanager
  {seconds} s  Reported      s3://documents/reports/checkout-{stamp}-{digest}/report.md
╭──────── The post-incident report ────────╮
│ From opening to first page {seconds} s     │
╰──────────────────────────────────────────╯
  {seconds} s  Uploaded      s3://documents/latency.md (version {version})
  {seconds} s  Receipt       started s3:documents/latency.md@{sequencer}
"""


def test_the_same_story_draws_the_same_picture() -> None:
    runs = [
        OUTPUT.format(
            seconds=f"{5 + run}.{run}",
            port=20_000 + run,
            stamp=f"20261127T07464{run}.67{run}Z",
            digest=f"48486cb5c4a{run}",
            version=f"4e091fdb-c3d1-4e39-ab9e-b5293d4e6e1{run}",
            sequencer=f"0018EBD74F383EC16{run}",
        )
        for run in (1, 2)
    ]
    svg, again = (demo_picture.draw(output) for output in runs)
    assert svg == again
    assert demo_picture.drawn_steps(svg) == demo_picture.steps(runs[0])
    assert len(demo_picture.drawn_steps(svg)) == 5


def test_the_picture_of_an_incident_is_what_the_command_prints() -> None:
    assert text("docs/incident.svg") == incident_picture.draw(), (
        "python -m tests.incident_picture draws it anew"
    )


# -------------------------------------------------------------------------------- contributing


def column(document: str, heading: str) -> list[str]:
    """The cells of the first column of the table whose first column is called so."""
    [rows] = re.findall(
        rf"^ *\| {heading} \|[^\n]*\n *\|[-|]+\n((?: *\|[^\n]*\n)+)", text(document), re.M
    )
    return [row.split("|")[1].strip() for row in rows.splitlines()]


def test_the_gates_are_those_of_make_check() -> None:
    gates = re.findall(r"^\tgate ([a-z]+) ", text("Makefile"), re.M)
    assert column("CONTRIBUTING.md", "Gate") == gates


def folders_of_code() -> set[str]:
    """The packages, and the folders of infra that hold templates."""
    packages = {path.parent for name in PACKAGES for path in ROOT.glob(f"{name}/**/__init__.py")}
    return {str(folder.relative_to(ROOT)) for folder in packages} | {"infra/aws", "infra/azure"}


def described_folders() -> list[str]:
    return re.findall(r"`([\w/]+)`", " ".join(column("CONTRIBUTING.md", "Folder")))


def test_every_folder_that_is_described_exists_and_is_described_once() -> None:
    described = described_folders()
    assert set(described) <= folders_of_code()
    assert len(set(described)) == len(described)


def test_every_folder_of_code_is_described_or_is_part_of_one_that_is() -> None:
    """A folder at the top of a package has a row of its own; a deeper one may leave it to that."""
    described = set(described_folders())
    for folder in folders_of_code() - {"workers", "infra"}:
        assert folder in described or folder.count("/") > 1, folder
        assert any(f"{folder}/".startswith(f"{row}/") for row in described), folder


def test_the_pins_are_those_of_the_requirements() -> None:
    pins = [path.name for path in ROOT.glob("requirements/*.txt")]
    described = [cell.strip("`") for cell in column("CONTRIBUTING.md", "File")]
    assert sorted(described) == sorted([*pins, "../requirements.txt"])


@pytest.mark.parametrize("pins", column("CONTRIBUTING.md", "File"))
def test_make_requirements_renews_every_pin(pins: str) -> None:
    file = (Path("requirements") / pins.strip("`")).as_posix().replace("requirements/../", "")
    assert re.search(rf"COMPILE\) .* -o {file}( |$)", text("Makefile"), re.M)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_and_target_that_a_document_names_exists(document: Path) -> None:
    body = document.read_text(encoding="utf-8")
    folders = "core|functions_aws|functions_azure|workers|infra|tests|docs"
    for path in re.findall(rf"`((?:{folders})/[a-z][\w/.-]*)`", body):
        assert "NAME" in path or (ROOT / path).exists(), path
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.M))
    for target in re.findall(r"(?:`|^\$ |^)make ([a-z-]+)", body, re.M):
        assert target in targets, f"make {target}"
