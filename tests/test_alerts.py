"""The alert rules and the dashboard that are shipped: Prometheus' own tool takes them, and they name nothing
that does not exist. Each alert is rehearsed in test_alert_rehearsal.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from making import NIGHT, PEPPER, ROOT, SECRETS, SID, a_case, configuration, fresh_database, staff
from scraping import Scraped, promtool

from console.house import House
from console.rehearsing.rehearsal import Rehearsal
from console.watching.keeping import Keeper as Counts
from console.watching.metrics import METRICS, table
from ivr.tally import TALLY
from oncall.reaching import attempts
from webhooks import watching

RULES = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "after-hours-ivr.json"
PAPER = (ROOT / "docs" / "watching.md").read_text("utf-8")
ALERTS = {
    rule["alert"]: rule
    for group in yaml.safe_load((RULES / "alerts.yml").read_text("utf-8"))["groups"]
    for rule in group["rules"]
}
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


# -- what is shipped -----------------------------------------------------------------------------


def test_promtool_takes_the_rules() -> None:
    assert f"{len(ALERTS)} rules found" in promtool("check", "rules", "alerts.yml", folder=RULES)


def test_each_alert_fires_on_its_figures_and_not_before() -> None:
    tests = yaml.safe_load((RULES / "alerts.test.yml").read_text("utf-8"))["tests"]
    assert [each["name"] for each in tests] == list(ALERTS)
    for each in tests:
        quiet, fires = each["promql_expr_test"]
        assert (
            quiet["expr"]
            == fires["expr"]
            == f'count(ALERTS{{alertname="{each["name"]}", alertstate="firing"}})'
        )
        assert quiet["exp_samples"] == []
        assert [sample["value"] for sample in fires["exp_samples"]] == [1]
    assert "SUCCESS" in promtool("test", "rules", "alerts.test.yml", folder=RULES)


def expressions() -> Iterator[tuple[str, str]]:
    for name, rule in ALERTS.items():
        yield name, rule["expr"]
    for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def test_they_name_only_what_exists() -> None:
    """Metrics, and the labels by which they are told apart."""
    by_name = {metric.name: metric for metric in METRICS}
    known = set(by_name) | {
        f"{metric.name}_{part}"
        for metric in METRICS
        if metric.kind == "histogram"
        for part in ("bucket", "count", "sum")
    }
    labels = {label for metric in METRICS for label in metric.labels} | {"le", "job", "instance"}
    for where, expression in expressions():
        named = set(re.findall(r"\bivr_[a-z_]+", expression))
        assert named or expression.startswith("up{"), where
        assert named <= known, (where, named - known)
        used = set(re.findall(r"\b([a-z]+)=\"", expression))
        for group in re.findall(r"\bby \(([^)]*)\)", expression):
            used |= {each.strip() for each in group.split(",")}
        assert used <= labels, (where, used - labels)


def test_every_metric_is_on_the_dashboard() -> None:
    shown = " ".join(expression for _, expression in expressions())
    assert [metric.name for metric in METRICS if metric.name not in shown] == []


def test_the_dashboard_has_room_for_each_panel() -> None:
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    places: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        covered = {
            (x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24
        assert not places & covered, panel["title"]
        places |= covered
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_the_paper_has_every_metric_and_every_alert() -> None:
    """If not: `python docs/metrics.py`."""
    assert table() in PAPER
    assert re.findall(r"(?m)^### (Ivr\w+)$", PAPER) == list(ALERTS)


def test_promtool_takes_the_metrics(house: House) -> None:
    with house.database.write() as connection:
        staff(connection)
        opened = a_case(connection)
        rung(connection, opened.id, NIGHT + MINUTE)
    assert promtool("check", "metrics", given=Scraped(house, NIGHT + HOUR).text) == ""


# -- what stands in it --------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _nothing_counted() -> None:
    for kept in (TALLY._counts, TALLY._marks, TALLY._spans):
        kept.clear()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with fresh_database(tmp_path) as database:
        yield House(configuration(tmp_path, SECRETS | {"IVR_SERVICE_SIGNING_KEY": PEPPER[::-1]}), database)


def rung(connection: Any, case_id: int, at: datetime) -> None:
    attempts.begin_attempt(connection, at, case_id, SID, "anna", "+393331234501", 1, turn=4)


def test_faults_at_the_door(stage: Callable[..., Rehearsal], monkeypatch: pytest.MonkeyPatch) -> None:
    """The database goes away, turns are slow, fail, are served by the standby; strangers knock."""
    played = stage()

    def scraped() -> Scraped:
        Counts(played.configuration, "test").write()
        return Scraped(played.house, played.clock.now())

    standby = "ivr_turn_duration_seconds_count"
    before = scraped()
    assert before["ivr_database_up"] == 1
    assert before[standby, "standby", "caller"] == before["ivr_requests_failed_total"] == 0
    seconds = iter(range(0, 100_000, 3))
    with monkeypatch.context() as patch:
        patch.setattr(watching, "perf_counter", lambda: next(seconds))
        played.play((ROOT / "tests" / "calls" / "first-technician-accepts.call").read_text("utf-8"))
    after = scraped()
    turns = ("ivr_turn_duration_seconds_bucket", "database", "caller")
    assert after[(*turns, "+Inf")] - after[(*turns, "2.0")] >= 5
    assert after["ivr_pin_checks_total", "shared", "right"] == 1
    assert after["ivr_first_ring_seconds", "p95"] < 20
    stranger = played.app.test_client()
    assert stranger.post("/voice", data={"CallSid": SID}).status_code == 403
    assert stranger.get("/nowhere").status_code == 404
    monkeypatch.setitem(played.app.view_functions, "healthz", lambda: 1 / 0)
    assert stranger.get("/healthz").status_code == 500
    after = scraped()
    assert after["ivr_requests_refused_total", "not-believed"] == 1
    assert after["ivr_requests_refused_total", "no-such-address"] == 1
    assert after["ivr_requests_failed_total"] == 1
    played.play("* acme calls trento\n< PIN\n* the database goes away\n> PIN acme\n< prema 1\n> hangs up\n")
    after = scraped()
    assert after["ivr_database_up"] == 0
    assert after[standby, "standby", "caller"] > 0
    assert after.get("ivr_calls_under_way") is None
    assert after["ivr_snapshot_age_seconds"] < 3600
