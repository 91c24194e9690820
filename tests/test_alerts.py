"""The alert rules and the dashboard that are shipped: Prometheus' own tool takes them, they name nothing that
does not exist, and each alert's figures move on its fault in the program itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from making import NIGHT, PEPPER, ROOT, SECRETS, SID, a_call, a_case, configuration, fresh_database, staff
from scraping import Scraped, promtool
from sqlalchemy import insert

from console import certificate, worker
from console.certificate import Certificate
from console.house import House
from console.provisioning.memory import STAND_IN
from console.rehearsal import Rehearsal
from console.standing_by import Keeper, spares
from console.watching import heartbeat
from console.watching.keeping import Keeper as Counts
from console.watching.metrics import METRICS, table
from ivr import journal
from ivr.tally import TALLY
from oncall import attempts
from oncall.tables import notices
from pins import throttle
from storage import due, notebook
from storage.alarms import raise_alarm
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


# -- each fault in the program ------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _nothing_counted() -> None:
    for kept in (TALLY._counts, TALLY._marks, TALLY._spans):
        kept.clear()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with fresh_database(tmp_path) as database:
        yield House(configuration(tmp_path, SECRETS | {"IVR_SERVICE_SIGNING_KEY": PEPPER[::-1]}), database)


@dataclass
class Night:
    """A house in which something goes wrong, with its clock in our hands."""

    house: House
    patch: pytest.MonkeyPatch
    at: datetime = NIGHT

    def write(self, do: Callable[[Any], object]) -> None:
        with self.house.database.write() as connection:
            do(connection)

    @property
    def keeper(self) -> Keeper:
        return Keeper(self.house, self.house.database, spares(self.house.configuration))

    def configured(self, section: str, **values: Any) -> None:
        known = self.house.configuration
        changed = getattr(known, section).model_copy(update=values)
        self.house = replace(self.house, configuration=known.model_copy(update={section: changed}))

    def scraped(self) -> Scraped:
        Counts(self.house.configuration, "test").write()
        return Scraped(self.house, self.at)


def rung(connection: Any, case_id: int, at: datetime) -> None:
    attempts.begin_attempt(connection, at, case_id, SID, "anna", "+393331234501", 1, turn=4)


def ticks(night: Night) -> None:
    worker._tick_once(night.keeper, night.at)


def the_worker_stops(night: Night) -> None:
    night.at += 5 * MINUTE


def work_waits(night: Night) -> None:
    night.write(lambda c: due.add(c, night.at, "alarm", "a", night.at, {"what": "a"}))
    night.at += 4 * MINUTE


def is_staffed(night: Night) -> None:
    night.write(lambda c: staff(c, NIGHT - timedelta(days=90)))


def nobody_is(night: Night) -> None:
    night.at -= timedelta(days=400)  # before the first rules


def case_opens(night: Night) -> None:
    night.write(a_case)


def hours_pass(night: Night) -> None:
    night.at += 2 * HOUR


def rings_at_once(night: Night) -> None:
    night.write(lambda c: rung(c, a_case(c).id, NIGHT + timedelta(seconds=8)))


def rings_late(night: Night) -> None:
    def late(connection: Any) -> None:
        opened = a_case(connection, sid="CA" + "0" * 31 + "2")
        rung(connection, opened.id, NIGHT + MINUTE)

    night.write(late)


def budget_is_spent(night: Night) -> None:
    def guess(connection: Any) -> None:
        for _ in range(throttle.BUDGET_HOUR):
            throttle.missed(connection, NIGHT, "+390461999999", throttle.Lane.SHARED)

    night.write(guess)


def technicians_are_woken(night: Night) -> None:
    def wake(connection: Any) -> None:
        for number in range(journal.WAKE_UPS_AN_HOUR):
            journal.wake_up(connection, NIGHT, a_call(connection, f"CA{number:032x}"))

    night.write(wake)


def alarm_waits(night: Night) -> None:
    night.write(lambda c: raise_alarm(c, NIGHT, "pin-budget"))


def notice_fails(night: Night) -> None:
    row = {
        "key": "a", "kind": "case-yours", "recipient": "technician:anna", "about": "case:1",
        "facts": {}, "loud": True, "created_at": NIGHT, "settled_at": NIGHT, "outcome": "failed",
    }  # fmt: skip
    night.write(lambda c: c.execute(insert(notices), row))


def snapshot_is_written(night: Night) -> None:
    assert night.keeper.keep(night.at)


def minutes_pass(night: Night) -> None:
    night.at += 16 * MINUTE


def is_published(night: Night, good_for: timedelta = timedelta(days=30)) -> None:
    content = {
        "fallback_address": "https://x.twil.io/", "account_sid": "AC", "digest": "d",
        "published_at": NIGHT.isoformat(), "covers_until": (NIGHT + good_for).isoformat(),
    }  # fmt: skip
    night.write(lambda c: notebook.write(c, NIGHT, STAND_IN, content))


def it_ends_soon(night: Night) -> None:
    is_published(night, timedelta(days=2))


def is_backed_up(night: Night) -> None:
    night.configured("backup", folder="backups")
    (night.house.configuration.folder / "backups").mkdir()
    (night.house.configuration.folder / "backups" / f"ivr-{NIGHT:%Y-%m-%dT%H%M%SZ}.backup").touch()


def days_pass(night: Night) -> None:
    night.at += timedelta(days=2)


def certificate_seen(night: Night, good_for: timedelta = timedelta(days=60)) -> None:
    night.patch.setattr(certificate, "seen", lambda *_: Certificate(NIGHT + good_for))
    certificate.look(night.house, NIGHT)


def certificate_ends(night: Night) -> None:
    certificate_seen(night, timedelta(days=9))


class Heard:
    """Stands for whoever hears the heartbeat."""

    status_code = 204

    def get(self, *_: object, **__: object) -> Heard:
        return self

    def __enter__(self) -> Heard:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def heart_beats(night: Night) -> None:
    from pydantic import SecretStr

    night.configured("watching", heartbeat=SecretStr("https://alive.example.net/x"))
    snapshot_is_written(night)
    heartbeat.beat(night.house, night.at, Heard())


def it_falls_silent(night: Night) -> None:
    work_waits(night)
    night.at += 16 * MINUTE
    assert not heartbeat.beat(night.house, night.at, Heard())


def nothing(night: Night) -> None:
    """All is well as it is."""


# What is well; what goes wrong; whether the alert's condition holds of the figures.
Judge = Callable[[Scraped], bool]
REHEARSED: dict[str, tuple[Callable[[Night], None], Callable[[Night], None], Judge]] = {
    "IvrWorkerStopped": (
        ticks,
        the_worker_stops,
        lambda s: s.at.timestamp() - s["ivr_worker_last_tick_timestamp_seconds"] > 120,
    ),
    "IvrWorkLate": (nothing, work_waits, lambda s: s["ivr_due_work_lateness_seconds"] > 180),
    "IvrNobodyOnDuty": (is_staffed, nobody_is, lambda s: s["ivr_people_on_duty", "duty"] == 0),
    "IvrCaseOverdue": (case_opens, hours_pass, lambda s: s["ivr_cases_overdue", "P1+"] > 0),
    "IvrCaseWaits": (nothing, case_opens, lambda s: s["ivr_cases_waiting", "P1+"] > 0),
    "IvrFirstRingSlow": (rings_at_once, rings_late, lambda s: s["ivr_first_ring_seconds", "p95"] > 20),
    "IvrPinBudgetSpent": (nothing, budget_is_spent, lambda s: s["ivr_pin_budget_left", "hour"] == 0),
    "IvrWakeUpsSpent": (nothing, technicians_are_woken, lambda s: s["ivr_wake_ups_left"] == 0),
    "IvrAlarmsUntold": (nothing, alarm_waits, lambda s: s["ivr_alarms_untold"] > 0),
    "IvrNoticesGivenUp": (nothing, notice_fails, lambda s: s["ivr_notices_given_up_past_day"] > 0),
    "IvrSnapshotOld": (snapshot_is_written, minutes_pass, lambda s: s["ivr_snapshot_age_seconds"] > 600),
    "IvrStandInMissing": (is_published, lambda night: night.write(lambda c: notebook.remove(c, STAND_IN)),
                          lambda s: s["ivr_stand_in_published"] == 0),
    "IvrStandInEnds": (is_published, it_ends_soon, lambda s: s["ivr_stand_in_valid_seconds"] < 96 * 3600),
    "IvrBackupOld": (is_backed_up, days_pass, lambda s: s["ivr_backup_age_seconds"] > 26 * 3600),
    "IvrCertificateEnds": (
        certificate_seen,
        certificate_ends,
        lambda s: s["ivr_certificate_expiry_timestamp_seconds"] - s.at.timestamp() < 14 * 86400,
    ),
    "IvrHeartbeatUnheard": (
        heart_beats,
        it_falls_silent,
        lambda s: s.at.timestamp() - s["ivr_heartbeat_last_success_timestamp_seconds"] > 900,
    ),
}  # fmt: skip
# Rehearsed below, with calls.
BY_CALLS = {"IvrDatabaseDown", "IvrTurnsFail", "IvrTurnsSlow", "IvrServedByStandby", "IvrSignaturesRefused"}
# Of the program's silence itself: there is nothing to read.
OF_SILENCE = {"IvrNotScraped", "IvrMetricsMissing"}


def test_every_alert_is_rehearsed() -> None:
    assert {*REHEARSED, *BY_CALLS, *OF_SILENCE} == set(ALERTS)


@pytest.mark.parametrize("alert", REHEARSED)
def test_its_fault_is_seen(alert: str, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    well, fault, holds = REHEARSED[alert]
    night = Night(house, monkeypatch)
    well(night)
    assert not holds(night.scraped())
    fault(night)
    assert holds(night.scraped())


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
