"""Each alert that is shipped fires on its fault, and on no other: the fault is made in a house in service,
and what its `/metrics` say is held against the very rules, by Prometheus' own tool.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from alert_nights import Night, Timeline
from making import ACTOR, NIGHT, ROOT, SID
from scraping import promtool

from console.processes.standing_by import snapshot_file
from console.provisioning.memory import STAND_IN
from console.rehearsing.rehearsal import Rehearsal
from oncall.rota import absences, roster
from pins import throttle
from storage import due, notebook
from storage.alarms import raise_alarm
from webhooks.watching import BEGAN

RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
ALERTS = [
    rule["alert"] for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]
]
DAY = timedelta(days=1)
CALLS = ROOT / "tests" / "calls"
SLOW = 3.0  # seconds
NOBODY = """\
* acme calls trento
< PIN
> PIN acme
< prema 1
> 1
< Il caso
* anna's phone rings
* anna does not answer
* dario does not answer
* anna does not answer
* dario does not answer
> nothing
* the call ends
"""
SERVED = """\
* {who} calls trento
< PIN
> PIN {who}
< prema 1
> 1
< Il caso
* anna's phone rings
* anna answers
anna < Chiamata
anna > 1
* they talk for 1 minute
* the call ends
"""
GUESSES = "* {who} calls trento\n> wrong PIN\n> wrong PIN\n> wrong PIN\n> hangs up\n"
HEARD = """\
* {who} calls trento
> wrong PIN
> wrong PIN
> wrong PIN
> speaks 0 s and is silent
* anna's phone rings
> hangs up
"""


# -- faults --------------------------------------------------------------------------------------


def a_console_is_gone(night: Night) -> None:
    """Of one of two nodes."""
    ends = night.console("b")
    night.lives(2)
    ends()


def the_token_is_not_brought(night: Night) -> None:
    """The console got an address of its own, and Prometheus no token."""
    night.configured("console", address="https://console.example.net")
    night.targets.clear()
    night.console("a")


def the_database_is_rubbish(night: Night) -> None:
    """And nobody has a connection any more that remembers what stood there."""
    night.played.house.database.close()
    (night.played.folder / "rehearsal.db").write_bytes(b"rubbish " * 10_000)


def the_worker_stops(night: Night) -> None:
    night.parts.clear()


def work_that_nobody_does(night: Night) -> None:
    """Of a kind that only a newer program knows."""
    night.write(lambda c: due.add(c, night.at, "of-a-newer-program", "a", night.at, {}))


def everybody_is_away(night: Night) -> None:
    def leave(connection: Any) -> None:
        for each in roster.all_technicians(connection):
            absences.add(connection, ACTOR, night.at, each.key, night.at, night.at + DAY, "illness")

    night.write(leave)


def nobody_answers(night: Night) -> None:
    night.played.play(NOBODY)


def nobody_answers_for_an_hour(night: Night) -> None:
    nobody_answers(night)
    night.nobody_looks(hours=1)


def he_hangs_up_and_the_worker_is_slow(night: Night) -> None:
    """Before any phone rang: a minute passes until the worker rings the first."""
    night.played.play("* acme calls trento\n> PIN acme\n> 1\n< Il caso\n> hangs up\n")


def a_request_fails(night: Night) -> None:
    night.lives(1)
    night.played.app.view_functions["healthz"] = lambda: 1 / 0
    assert night.played.app.test_client().get("/healthz").status_code == 500


def places_are_taken(night: Night) -> None:
    """Each request waited three seconds until one was free."""
    serve = night.played.app.wsgi_app

    def late(environ: Any, start_response: Any) -> Any:
        environ[BEGAN] = night.stopwatch() - SLOW
        return serve(environ, start_response)

    night.played.play(SERVED.format(who="acme"))
    night.lives(1)
    night.played.app.wsgi_app = late  # type: ignore[method-assign]
    night.played.play(SERVED.format(who="mele"))


def the_database_was_away_for_a_moment(night: Night) -> None:
    night.lives(1)
    lines = (CALLS / "database-goes-away-in-the-middle.call").read_text("utf-8").splitlines()
    night.played.play("\n".join(line for line in lines if not line.startswith("@")))


def strangers_guess(night: Night) -> None:
    """Each keys as many PINs as are still checked of one number, or is no more heard."""
    callers = [f"stranger-{number}" for number in range(1 + throttle.BUDGET_HOUR // 3)]
    night.played.people |= {who: f"+3934712345{number:02d}" for number, who in enumerate(callers)}
    for who in callers:
        night.played.play(GUESSES.format(who=who))


def callers_without_a_pin_are_heard(night: Night) -> None:
    strangers_guess(night)
    for who in ("an unknown number", "a withheld number", "stranger-0", "stranger-1"):
        night.played.play(HEARD.format(who=who))


def strangers_knock(night: Night) -> None:
    stranger = night.played.app.test_client()
    for _ in range(3):
        for _ in range(10):
            assert stranger.post("/voice", data={"CallSid": SID}).status_code == 403
        night.lives(1)


def no_mail_server_answers(night: Night) -> None:
    """An alarm is raised, and nobody listens at the mail server's port."""
    night.configured("notices", admins=["admin@example.net"])
    night.configured("mail", host="127.0.0.1", port=9, security="none", sender="ivr@example.net")
    night.write(lambda c: raise_alarm(c, night.at, "pin-budget"))


def no_network_takes_a_technician(night: Night) -> None:
    """Twilio refuses his number, for messages and for calls."""
    cast = night.played.cast()
    refused = {cast.phone(who): 21610 for who in ("anna", "bruno", "carla", "dario")}
    night.played.exchange.rest.refused |= refused
    nobody_answers(night)


def the_snapshot_cannot_be_written(night: Night) -> None:
    """The disk takes nothing in that folder: another stands where the state was."""
    state = snapshot_file(night.played.house.configuration).parent
    night.parts["snapshot"] = night._if_there(lambda keeper, at: keep_nothing(keeper, at, state))


def keep_nothing(keeper: Any, at: Any, state: Path) -> None:
    aside = state.rename(state.with_name("aside"))
    state.write_text("no folder")
    try:
        assert not keeper.keep(at)
    finally:
        state.unlink()
        aside.rename(state)


def nobody_publishes(night: Night) -> None:
    night.write(lambda c: notebook.remove(c, STAND_IN))


def it_knows_two_days(night: Night) -> None:
    night.published(night.at + 2 * DAY)


def no_backup_is_written(night: Night) -> None:
    """And it is the next night."""
    del night.parts["backup"]
    night.nobody_looks(hours=27)


def the_certificate_ends_soon(night: Night) -> None:
    night.certified(NIGHT + 9 * DAY)


def nobody_hears_us(night: Night) -> None:
    night.heard.close()


@dataclass(frozen=True)
class Rehearsed:
    """`fault`, and how many looks after it the alert fires, `minutes` apart; `beside` are those that fire
    with it, because the fault is theirs too.
    """

    fault: Callable[[Night], None]
    looks: int
    minutes: int = 1
    beside: tuple[str, ...] = ()


REHEARSED = {
    "IvrNotScraped": Rehearsed(a_console_is_gone, 3),
    "IvrMetricsMissing": Rehearsed(the_token_is_not_brought, 6, beside=("IvrNotScraped",)),
    "IvrDatabaseDown": Rehearsed(the_database_is_rubbish, 2),
    "IvrWorkerStopped": Rehearsed(the_worker_stops, 4),
    "IvrWorkLate": Rehearsed(work_that_nobody_does, 5),
    "IvrNobodyOnDuty": Rehearsed(everybody_is_away, 2),
    "IvrCaseOverdue": Rehearsed(nobody_answers_for_an_hour, 1, 5),
    "IvrCaseWaits": Rehearsed(nobody_answers, 4, 5),
    "IvrFirstRingSlow": Rehearsed(he_hangs_up_and_the_worker_is_slow, 6),
    "IvrTurnsFail": Rehearsed(a_request_fails, 1),
    "IvrTurnsSlow": Rehearsed(places_are_taken, 6),
    "IvrServedByStandby": Rehearsed(the_database_was_away_for_a_moment, 1),
    "IvrPinBudgetSpent": Rehearsed(strangers_guess, 1),
    "IvrWakeUpsSpent": Rehearsed(callers_without_a_pin_are_heard, 1, beside=("IvrPinBudgetSpent",)),
    "IvrSignaturesRefused": Rehearsed(strangers_knock, 1),
    "IvrAlarmsUntold": Rehearsed(no_mail_server_answers, 13, 5),
    "IvrNoticesGivenUp": Rehearsed(no_network_takes_a_technician, 4, 5, beside=("IvrCaseWaits",)),
    "IvrSnapshotOld": Rehearsed(the_snapshot_cannot_be_written, 14),
    "IvrStandInMissing": Rehearsed(nobody_publishes, 13, 5),
    "IvrStandInEnds": Rehearsed(it_knows_two_days, 13, 5),
    "IvrBackupOld": Rehearsed(no_backup_is_written, 4, 5),
    "IvrCertificateEnds": Rehearsed(the_certificate_ends_soon, 13, 5),
    "IvrHeartbeatUnheard": Rehearsed(nobody_hears_us, 5, 5),
}


def test_every_alert_is_rehearsed() -> None:
    assert list(REHEARSED) == ALERTS


@pytest.fixture
def around() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def rehearsed(stage: Callable[..., Rehearsal], name: str, fault: Rehearsed, around: ExitStack) -> Timeline:
    """All is well and nothing fires; then the fault, and in the end its alert and no other does."""
    night = Night(stage(), name, fault.minutes, around)
    night.lives(2)
    night.timeline.fire([])
    fault.fault(night)
    night.lives(fault.looks)
    night.timeline.fire([name, *fault.beside])
    night.played.close()
    return night.timeline


def all_is_well(stage: Callable[..., Rehearsal], minutes: int, around: ExitStack) -> Timeline:
    """As long as the slowest alert takes nothing fires, though there are calls."""
    night = Night(stage(), f"all is well, every {minutes} minutes", minutes, around)
    for who in ("acme", "mele"):
        night.lives(7)
        night.timeline.fire([])
        night.played.play(SERVED.format(who=who))
        night.lives(1)
        night.timeline.fire([])
    return night.timeline


def test_each_alert_fires_on_its_fault_and_no_other_does(
    stage: Callable[..., Rehearsal], around: ExitStack, tmp_path: Path
) -> None:
    told = [rehearsed(stage, name, fault, around) for name, fault in REHEARSED.items()]
    told += [all_is_well(stage, minutes, around) for minutes in (1, 5)]
    files = []
    for minutes in sorted({each.minutes for each in told}):
        files.append(f"every-{minutes}-minutes.yml")
        content = {
            "rule_files": [str(RULES)],
            "evaluation_interval": f"{minutes}m",
            "tests": [each.as_test() for each in told if each.minutes == minutes],
        }
        (tmp_path / files[-1]).write_text(yaml.safe_dump(content), "utf-8")
    assert promtool("test", "rules", *files, folder=tmp_path).count("SUCCESS") == len(files)
