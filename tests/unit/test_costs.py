"""docs/costs.md: its tables of Actions against recorded histories, and all that is computed."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import InvalidEvent
from core.formats.shared.delivery import Arrival, Delivery, Malformed
from core.intake.receipts import Receipt, Verdict
from functions_aws import telemetry
from tests.costs import __main__ as command
from tests.costs import aws, chart, model
from tests.costs.figures import BadFigures, load
from tests.costs.page import PAGE, counted, filled, money, picture, tables
from tests.support.actions import HISTORIES, actions, delivered
from tests.support.cloudformation import ALARMS, FRONT_DOOR, WORKERS
from tests.support.wakes import wakes

FIGURES = load()
COUNTS = counted()


# ------------------------------------------------------------------------------------ the page


def test_the_page_is_what_the_script_makes() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == filled(text, tables(FIGURES, COUNTS)), "run make costs"


def test_the_picture_is_what_the_script_makes() -> None:
    drawn = chart.PICTURE.read_text(encoding="utf-8")
    assert drawn == picture(FIGURES, COUNTS), "run make costs"
    assert not re.findall(r"url\(|href|@import|<script|<image", drawn)


def test_a_page_that_misses_a_table_is_refused() -> None:
    made = tables(FIGURES, COUNTS)
    text = PAGE.read_text(encoding="utf-8").replace("<!-- costs: doors -->", "")
    with pytest.raises(ValueError, match="doors"):
        filled(text, made)


def test_a_changed_price_changes_the_page() -> None:
    dearer = replace(FIGURES.prices["http_api"], price=2.0)
    figures = replace(FIGURES, prices=FIGURES.prices | {"http_api": dearer})
    before, after = tables(FIGURES, COUNTS), tables(figures, COUNTS)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"sums", "aws", "doors", "prices"}


def test_every_price_and_every_assumption_is_used() -> None:
    """Twice as much of any changes a sum; what the examples do not deploy is named here."""
    spare = {"registry_basic", "log_alerts_1_minute", "log_alerts_15_minutes"}

    def sums(figures: object) -> dict[str, str]:
        made = tables(figures, COUNTS)  # type: ignore[arg-type]
        return {name: text for name, text in made.items() if name not in ("prices", "assumptions")}

    before = sums(FIGURES)
    for name, price in FIGURES.prices.items():
        changed = replace(price, price=price.price * 2)
        same = sums(replace(FIGURES, prices=FIGURES.prices | {name: changed})) == before
        assert same is (name in spare), name
    for name, each in FIGURES.assumptions.items():
        other = replace(each, value=each.value * 2)
        figures = replace(FIGURES, assumptions=FIGURES.assumptions | {name: other})
        assert sums(figures) != before, name


@pytest.mark.parametrize(
    ("dollars", "shown"),
    [(0, "0"), (0.004, "0"), (0.06, "0.06"), (9.994, "9.99"), (9.995, "10"), (1234.5, "1,234")],
)
def test_dollars_are_shown_as_precisely_as_they_are_known(dollars: float, shown: str) -> None:
    assert money(dollars) == shown


# ----------------------------------------------------------------------------- figures of one's own


def own(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_own_assumptions_are_printed_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = PAGE.read_bytes()
    assert command.main([str(own(tmp_path, "opens_an_incident = 0.5\n"))]) == 0
    printed = capsys.readouterr().out
    assert "| `opens_an_incident` | 0.5 |" in printed
    assert tables(FIGURES, COUNTS)["sums"] not in printed
    assert PAGE.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("open_an_incident = 0.5", "there is no assumption open_an_incident"),
        ("batch = 'ten'", "batch must be a number"),
        ("batch = -1", "batch must be a number"),
        ("batch = true", "batch must be a number"),
        ("batch = ", "mine.toml"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, says: str
) -> None:
    assert command.main([str(own(tmp_path, text))]) == 1
    assert says in capsys.readouterr().err


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFigures, match="No such file"):
        load(tmp_path / "mine.toml")


# --------------------------------------------------------------------------------- the arithmetic


@pytest.mark.parametrize(
    ("rate", "dollars"), [(0.1, 5.00), (1, 5.00), (2, 2.63), (5, 1.20), (10, 0.73), (100, 0.30)]
)
def test_x_ray_records_the_first_of_each_second_and_a_twentieth_of_the_rest(
    rate: float, dollars: float
) -> None:
    million = FIGURES.price("x_ray", model.traces(rate) / rate * 1e6)
    assert million == pytest.approx(dollars, abs=0.005)


def test_x_ray_is_in_the_bill_where_it_is_on() -> None:
    def parts(traced: bool) -> set[str]:
        counts = replace(COUNTS.aws, traced=traced)
        return {each.part for each in model.aws_door(FIGURES, counts, 1, "webhooks")}

    assert parts(True) - parts(False) == {"X-Ray"}


@pytest.mark.parametrize(
    ("rate", "instances", "busy"),
    [(0.1, 1, 0.1), (1, 1, 1), (10, 1, 1), (100, 1, 2), (1.5, 2, 1.5), (10, 2, 2)],
)
def test_an_instance_is_billed_for_the_seconds_in_which_it_executes_anything(
    rate: float, instances: int, busy: float
) -> None:
    assert model.busy(rate, 1, 50, instances) == pytest.approx(busy)


def test_zone_redundancy_keeps_two_instances_of_each_group_ready() -> None:
    prod = COUNTS.azure["prod"]
    assert prod.zone_redundant
    assert {model.ready(FIGURES, prod, group) for group in prod.groups} == {2}
    [line] = [
        each for each in model.azure_fixed(FIGURES, prod) if each.part == "Functions, always ready"
    ]
    gigabytes = 2 * len(prod.groups) * prod.instance_gb
    assert line.dollars == pytest.approx(gigabytes * 730 * 3600 * 0.000004)
    one = replace(prod, zone_redundant=False, always_ready={"http": 1})
    assert [model.ready(FIGURES, one, each) for each in ("http", "messages_queue")] == [1, 0]


def test_actions_cost_by_the_cheaper_plan() -> None:
    """Below 10,000 dollars or so the Business plan's least price decides; then its tiers do."""
    few = model.temporal(FIGURES, COUNTS.actions, 0.1)
    stored = model.storage(FIGURES, 0.1)
    bought = model.actions(FIGURES, COUNTS.actions, 0.1) * 50 / 1e6
    assert few == pytest.approx((bought + stored) * 1.1)
    many = model.temporal(FIGURES, COUNTS.actions, 10)
    millions = model.actions(FIGURES, COUNTS.actions, 10) / 1e6 - 2.5
    assert 20 < millions < 50
    used = 5 * 50 + 5 * 45 + 10 * 40 + (millions - 20) * 35 + model.storage(FIGURES, 10)
    assert many == pytest.approx(used + 500)


def test_a_worker_is_awake_as_often_as_it_is_woken_until_it_never_sleeps() -> None:
    wake = FIGURES["serverless_wake"]
    assert model.awake(FIGURES, 1 / (2 * wake)) == pytest.approx(0.5)
    assert model.awake(FIGURES, 1 / wake) == pytest.approx(1)
    assert model.awake(FIGURES, 2 / wake) == pytest.approx(1)
    assert model.awake(FIGURES, 2 * FIGURES["worker_rate"]) == pytest.approx(2)


def test_few_events_are_cheaper_serverless_and_many_in_containers() -> None:
    """The rate from which on containers are cheaper is the one at which both cost the same."""

    def serverless(rate: float) -> list[model.Line]:
        return model.aws_serverless(FIGURES, COUNTS.aws, COUNTS.wakes, rate)

    def small(rate: float) -> list[model.Line]:
        return model.aws_containers(FIGURES, COUNTS.aws.smallest, rate)

    rate = model.as_dear(serverless, small)
    assert rate is not None
    assert model.total(serverless(rate)) == pytest.approx(model.total(small(rate)), rel=0.01)
    assert model.total(serverless(rate / 2)) < model.total(small(rate / 2))
    assert model.total(serverless(rate * 2)) > model.total(small(rate * 2))
    assert model.as_dear(small, lambda _: [model.Line("a fortune", 1e9)]) is None


# ------------------------------------------------------------------------------------ the counts


def test_the_alarms_of_aws_and_what_they_are_billed_by() -> None:
    """Metric math has several metrics: each policy over the backlog compares two."""
    found, workers = COUNTS.aws, COUNTS.aws.workers
    for watched in (found.door, found.containers):
        assert watched.alarms == watched.alarm_metrics
    policies = found.containers.tracking_alarms // 2
    assert policies == 2 * workers
    assert found.containers.tracking_alarm_metrics == 2 * (workers * 1 + workers * 2)
    assert found.door.tracking_alarms == found.serverless.tracking_alarms == 0


def test_what_rotations_of_the_key_cost_is_said() -> None:
    """A dollar a month for each of the first two, of which the table has none. Source: "AWS Key
    Management Service pricing"."""
    [key] = aws.of(aws.deployed(FRONT_DOOR, {}), "AWS::KMS::Key")
    said = "each of its first two rotations" in PAGE.read_text(encoding="utf-8")
    assert said is key["EnableKeyRotation"]


def test_what_a_condition_leaves_out_is_not_counted() -> None:
    with_rule = aws.deployed(ALARMS, {"RuleName": "a-rule"})
    without = aws.deployed(ALARMS, {"RuleName": ""})
    assert "RuleFailures" in with_rule.keys() - without.keys()


def written(*verdicts: Verdict) -> list[str]:
    """The lines with metrics that a listener writes for one event of each verdict."""
    delivery = Delivery(format="s3", body=b"", headers={"message-id": "m-" * 18}, unique="u")
    receipts = [
        Receipt(
            verdict=verdict,
            event_id="3f0c2f0e-6f6f-5d6b-9d4e-6f1d3a1a2b3c",
            key="s3:tidegate-documents-123456789012-eu-west-1/incidents/report.json@"
            "3HL4kqtJlcpXroDTDmJrmSpXd3dIbrHY",
            workflow_id="incident-s3-tidegate-documents-incidents-report-9f86d081884c7d65",
            run_id="0199f0c6-3a52-7c4e-9a51-8b7a3f0d2c11",
            time="2026-03-01T09:00:00Z",
        )
        for verdict in verdicts
    ]
    out = io.StringIO()
    with redirect_stdout(out):
        for receipt in receipts:
            telemetry.record(Arrival(Malformed(InvalidEvent("no matter")), delivery), receipt)
        telemetry._end_line()
    return [line for line in out.getvalue().splitlines() if "_aws" in line]


def test_the_bytes_of_our_own_line_are_those_of_the_assumption() -> None:
    [line] = written(Verdict.STARTED)
    assert len(line) == pytest.approx(FIGURES["own_log"], rel=0.15)


def test_our_metrics_are_those_that_listeners_write_and_filters_find() -> None:
    """As shipped: where a routing table drops events, there is one more."""
    verdicts = [verdict for verdict in Verdict if verdict is not Verdict.DROPPED]
    out = io.StringIO()
    with redirect_stdout(out):
        telemetry.record_request(hook="alerts", code="NotVerified", status=401)
        telemetry._end_line()
        telemetry._count_cold_start.__wrapped__("a-function")
    names = {
        (metric["Name"], *directive["Dimensions"][0])
        for line in [*written(*verdicts), *out.getvalue().splitlines()]
        for directive in json.loads(line).get("_aws", {}).get("CloudWatchMetrics", ())
        for metric in directive["Metrics"]
    }
    by_function = {each for each in names if "function_name" in each}
    filtered = {
        each["MetricName"]
        for one in aws.of(aws.deployed(WORKERS, {}), "AWS::Logs::MetricFilter")
        for each in one["MetricTransformations"]
    }
    listeners = len(names - by_function) + len(by_function) * COUNTS.aws.functions
    assert COUNTS.aws.door.metrics == listeners
    assert COUNTS.aws.containers.metrics == len(filtered)


def test_what_serverless_workers_measure_is_counted_where_it_is_written() -> None:
    """By the worker, and by the look from outside; what filters find in the logs is added."""
    names = aws.emitted()
    assert {"BilledSeconds", "BacklogAge", "UnreachableBuilds"} <= names
    filtered = COUNTS.aws.serverless.metrics - len(names)
    assert filtered == 2  # events given up, and pages that failed
    assert COUNTS.aws.watch_every == 60


def test_a_function_that_is_switched_off_is_no_group_that_scales() -> None:
    for counts in COUNTS.azure.values():
        assert counts.groups[0] == "http"
        assert {"messages_queue", "messages_topic", "blob_events_queue"} <= set(counts.groups)


# ------------------------------------------------------------------------------ what wakes a worker


@pytest.mark.parametrize(
    ("history", "causes"),
    [
        ("incident-alert-opened", {"Start": 1, "Timers": 1}),  # the level that comes next
        ("incident-alert-joined", {"Start": 1, "Signals": 3, "Timers": 1}),
        ("incident-alert-recovered", {"Start": 1, "Signals": 1, "Timers": 1}),  # its memory ends
        ("incident-acknowledged-late-page", {"Start": 1, "Updates": 2}),
        ("incident-escalated", {"Start": 1, "Updates": 2, "Timers": 1}),
        ("incident-page-retried", {"Start": 1, "Updates": 1, "Timers": 1, "Retries": 2}),
        ("incident-cancelled", {"Start": 1, "Cancellations": 1}),
        ("incident-continued-run-2", {"Updates": 1}),  # woken by the run before it
    ],
)
def test_a_sleeping_worker_is_woken_by_what_comes_from_outside_and_by_timers(
    history: str, causes: dict[str, int]
) -> None:
    assert wakes(history) == Counter(causes)


def test_an_incident_that_is_acknowledged_and_recovers_wakes_four_times() -> None:
    """It opens, is acknowledged, recovers, and forgets. An alert that joins it wakes once."""
    assert COUNTS.wakes == model.Wakes(joined=1, life=4)


def test_the_seconds_of_a_wake_are_those_that_were_measured() -> None:
    page = (PAGE.parent / "benchmarks.md").read_text(encoding="utf-8")
    [seconds] = re.findall(r"^\| a whole invocation, s \| ([\d.]+) \|", page, re.M)
    assert FIGURES["serverless_wake"] == float(seconds)


def test_the_page_on_aws_has_the_prices_of_workers_while_nothing_happens() -> None:
    page = (PAGE.parent / "deploy-aws.md").read_text(encoding="utf-8")
    [(containers, serverless)] = re.findall(
        r"^\| while nothing happens \|[^|]*?(\d+) dollars[^|]*\|[^|]*?(\d+) dollars", page, re.M
    )
    idle = model.aws_serverless(FIGURES, COUNTS.aws, COUNTS.wakes, 0)
    assert containers == money(model.total(model.aws_containers(FIGURES, COUNTS.aws, 0)))
    assert int(serverless) == round(model.total(idle))


def test_the_page_on_azure_has_the_prices_of_workers_that_always_run() -> None:
    page = (PAGE.parent / "deploy-azure.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\d)`[^|]*\| (\d) \| (\d+) \|", page, re.M)
    shown = tables(FIGURES, COUNTS)["azure-replicas"]
    assert rows
    for row in rows:
        assert f"| {' | '.join(row)} |" in shown


# ------------------------------------------------------------------------------- Temporal's Actions


def table(first: str) -> list[dict[str, str]]:
    """The rows of the table of costs.md whose first column is called so."""
    rows = re.findall(rf"^(\| {first} \|.*?)\n\n", PAGE.read_text(encoding="utf-8"), re.M | re.S)[
        0
    ].splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


KINDS = ("Start", "Local activities", "Child", "Signal", "Activities")


@pytest.mark.parametrize("row", table("Event"), ids=lambda row: row["Recorded as"].strip("`"))
def test_the_actions_of_an_event_are_those_of_its_recorded_history(row: dict[str, str]) -> None:
    listed = {kind: int(row[kind]) for kind in KINDS}
    recorded = row["Recorded as"].strip("`")
    counted = Counter() if recorded == "nothing" else delivered(recorded)
    assert listed == {kind: counted[kind] for kind in KINDS}
    assert int(row["Sum"]) == sum(listed.values()) == counted.total()


def test_every_way_that_an_event_can_go_has_its_cost() -> None:
    """Ways that differ by their route alone cost the same."""
    named = {row["Recorded as"].strip("`") for row in table("Event")}
    for path in HISTORIES.glob("root-*.json"):
        same = [name for name in named - {"nothing"} if delivered(name) == actions(path.stem)]
        assert path.stem in named or same, path.stem


@pytest.mark.parametrize("row", table("History"), ids=lambda row: row["History"].strip("`"))
def test_the_actions_of_an_incident_are_those_of_its_recorded_history(row: dict[str, str]) -> None:
    assert actions(row["History"].strip("`")).total() == int(row["Actions of its own"])


def test_an_alert_costs_one_action_before_its_incidents_own() -> None:
    """And its opening takes one workflow task, whose local activities are one Action together."""
    assert delivered("incident-alert-opened").total() == 1
    joined, opened = delivered("incident-alert-joined"), delivered("incident-alert-opened")
    assert joined - opened == Counter(Signal=3)
    assert actions("incident-alert-joined") == actions("incident-alert-opened")
    assert actions("incident-alert-opened")["Local activities"] == 1


def test_the_arithmetic_of_a_million_events_adds_up() -> None:
    for row in table("A million events of which"):
        cells = list(row.values())[1:]
        for sum_, dollars in zip(cells[::2], cells[1::2], strict=True):
            formula, _, result = sum_.replace(",", "").rpartition(" = ")
            number = int(result)
            if formula:
                assert eval(formula) == number, sum_  # noqa: S307  our own page
            assert round(number * 50 / 1_000_000) == int(dollars.replace(",", ""))


def test_the_life_of_an_incident_adds_up() -> None:
    kinds = ("Upserts", "Activities", "Timers", "Updates", "Local activities", "Sum")
    rows = table("What happens")
    for row in rows:
        assert int(row["Sum"]) == sum(int(row[kind]) for kind in kinds[:-1]), row["What happens"]
    words = ("It opens", "Somebody acknowledges", "Somebody resolves", "It has closed")
    life = [row for row in rows if row["What happens"].startswith(words)]
    assert len(life) == 4
    for kind in kinds:
        assert sum(int(row[kind]) for row in life) == int(rows[-1][kind]), kind
    recorded = actions("incident-acknowledged-late-page")
    assert recorded == Counter({kind: int(rows[-1][kind]) for kind in kinds[:-1]})
