"""What would make tonight go wrong, and what to do about each thing. The grave come first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from console.house import numbers
from console.outbound import alarm_texts
from console.processes.patient import PATIENT
from console.settings import Configuration
from console.web.people import Person
from console.web.shown.tonight.live import Roster
from console.web.words import Words
from ivr.records import heard
from oncall.notices import outlook
from oncall.rota import validation
from oncall.rota.validation import Finding
from pins import customer_list, throttle
from pins import outlook as pin_outlook
from pins.customer_card import Standing
from storage import alarms, due

# Beside holes, which are looked for as far as the watch does, what is wrong with the rota is told so long
# before; and how far back lies what went wrong.
AHEAD = timedelta(days=7)
BACK = timedelta(days=3)
# Work that has waited longer than this shows that no worker works.
LATE = timedelta(minutes=2)
# So many of a kind are named, the others counted.
MOST = 3
MOST_COUNTED = 100
# A turn whose person was asked so long before it counts once it has begun, for so long.
BEGUN = timedelta(hours=12)
# What a rota may be told of before it, in the order of graveness.
GRAVE = frozenset({"hole", "not-employed", "unreachable"})
TOLD = GRAVE | {"empty-rung", "double-duty"}


@dataclass(frozen=True)
class Problem:
    """`text` says what is wrong; `act` is what to do, at the page `endpoint` with these values."""

    text: str
    act: str
    endpoint: str
    values: Mapping[str, object] = field(default_factory=dict)
    grave: bool = True


@dataclass(frozen=True)
class Raised:
    """An alarm that was raised lately."""

    at: datetime
    text: str


@dataclass(frozen=True)
class Checks:
    """An empty list of problems is good news."""

    problems: tuple[Problem, ...]
    alarms: tuple[Raised, ...]

    @property
    def grave(self) -> bool:
        return any(problem.grave for problem in self.problems)


def checks(
    connection: Connection, configuration: Configuration, at: datetime, known: Roster, t: Words
) -> Checks:
    """All of it, in a number of statements that does not grow with what is wrong."""
    who = known.people
    found = [
        *_work(connection, at, t),
        *_settings(configuration, t),
        *_rotas(configuration, at, known, t),
        *_people(connection, configuration, at, t, who),
        *_pins(connection, configuration, at, t),
        *_untold(connection, at, t, who),
    ]
    raised = alarms.raised_since(connection, at - BACK, most=5)
    return Checks(
        tuple(sorted(found, key=lambda problem: not problem.grave)),
        tuple(Raised(each.at, alarm_texts.headline(each.raised, t.language)) for each in raised),
    )


def _work(connection: Connection, at: datetime, t: Words) -> Iterator[Problem]:
    late = due.late(connection, at, LATE, most=MOST_COUNTED, patient=PATIENT)
    if late is not None:
        text = t.count("tonight.problem-late", late.many, since=t.moment(late.since, at))
        yield Problem(text, t("tonight.act-late"), "settings.index", {"_anchor": "state"})


def _settings(configuration: Configuration, t: Words) -> Iterator[Problem]:
    act, where = t("tonight.act-settings"), "settings.index"
    missing = configuration.missing_for_calls()
    if missing:
        yield Problem(t("tonight.problem-calls", settings=", ".join(missing)), act, where)
    if not configuration.notices.admins:
        yield Problem(t("tonight.problem-no-admins"), act, where, {"_anchor": "notices"})
    if not configuration.mail.host:
        yield Problem(t("tonight.problem-no-mail"), act, where, {"_anchor": "mail"}, grave=False)
    if not configuration.service.signing_key.get_secret_value():
        yield Problem(t("tonight.problem-no-signing-key"), act, where, {"_anchor": "service"}, grave=False)


def _rotas(configuration: Configuration, at: datetime, known: Roster, t: Words) -> Iterator[Problem]:
    for key in dict.fromkeys(number.rota for number in configuration.number):
        if key not in known.books:
            names = ", ".join(number.name for number in configuration.number if number.rota == key)
            text = t("tonight.problem-no-rota", rota=key, numbers=names)
            yield Problem(text, t("tonight.act-rota"), "rota.month")
    end = at + timedelta(days=configuration.notices.look_ahead)
    found = [
        finding
        for finding in validation.review(known.books, known.reach.values(), at, end)
        if finding.kind == "hole" or (finding.kind in TOLD and finding.start < at + AHEAD)
    ]
    for kind in dict.fromkeys(finding.kind for finding in found):
        alike = [finding for finding in found if finding.kind == kind]
        for finding in alike[:MOST]:
            yield _of_rota(finding, at, end, known, t)
        if len(alike) > MOST:
            text = t.count(f"tonight.more-{kind}", len(alike) - MOST)
            yield Problem(text, t("tonight.act-rota"), "rota.month", grave=kind in GRAVE)


def _of_rota(finding: Finding, at: datetime, end: datetime, known: Roster, t: Words) -> Problem:
    who = known.people
    start = "" if finding.start <= at else t.moment(finding.start, at)
    until = "" if finding.end >= end else t.moment(finding.end, at)
    when = t(f"tonight.when{'-from' if start else '-now'}{'-to' if until else ''}", start=start, until=until)
    names = ", ".join(who[key].name if key in who else key for key in finding.people)
    text = t(f"tonight.problem-{finding.kind}", when=when, rung=finding.rung or "", names=names)
    if len(known.books) > 1:
        text = t("tonight.of-rota", rota=finding.rota, text=text)
    if finding.kind == "unreachable":
        return Problem(text, t("tonight.act-technicians"), "technicians.show", {"key": finding.people[0]})
    values = {"rota": finding.rota, "month": f"{t.local(max(finding.start, at)):%Y-%m}"}
    return Problem(text, t("tonight.act-rota"), "rota.month", values, grave=finding.kind in GRAVE)


def _people(
    connection: Connection,
    configuration: Configuration,
    at: datetime,
    t: Words,
    who: Mapping[str, Person],
) -> Iterator[Problem]:
    """Who was asked whether he can be reached, has his turn still or next, and has not said yes."""
    if configuration.notices.confirm == "off":
        return
    within = timedelta(minutes=configuration.notices.confirm_within)
    for each in outlook.unconfirmed(connection, at - BEGUN, at - within)[:MOST]:
        name = who[each.technician].name if each.technician in who else each.technician
        key = "tonight.problem-cannot" if each.cannot else "tonight.problem-unconfirmed"
        text = t(key, name=name, when=t.moment(each.shift_at, at), rung=each.rung)
        yield Problem(text, t("tonight.act-rota"), "rota.month", grave=each.cannot)


def _pins(connection: Connection, configuration: Configuration, at: datetime, t: Words) -> Iterator[Problem]:
    if throttle.glance(connection, at).budget_spent:
        yield Problem(
            t("tonight.problem-budget"), t("tonight.act-calls"), "calls.index", {"outcome": "no-pin"}
        )
    today = at.astimezone(configuration.zone).date()
    opened = max(number.hours.last_opening(at) for number in numbers(configuration).values())
    without = customer_list.count(
        connection,
        customer_list.Wanted(today, opened, standing=Standing.RUNNING, no_pin=True),
    )
    if without:
        text = t.count("tonight.problem-no-pin", without)
        yield Problem(
            text,
            t("tonight.act-no-pin"),
            "customers.index",
            {"pin": "none", "standing": Standing.RUNNING.value},
            grave=False,
        )
    ending = pin_outlook.ending(connection, today, opened)
    if ending:
        text = t.count("tonight.problem-ending", ending)
        yield Problem(text, t("tonight.act-ending"), "pins.index", {"which": "ending"}, grave=False)


def _untold(connection: Connection, at: datetime, t: Words, who: Mapping[str, Person]) -> Iterator[Problem]:
    waiting = heard.unheard(connection, at, most=MOST_COUNTED)
    if waiting:
        text = t.count("tonight.problem-unheard", len(waiting), since=t.moment(waiting[0].recorded_at, at))
        yield Problem(text, t("tonight.act-unheard"), "calls.index", {"unheard": "1"})
    failed = outlook.unbrought(connection, at - BACK, most=MOST_COUNTED)
    if failed:
        names = ", ".join(dict.fromkeys(_names(failed, who)))
        text = t.count("tonight.problem-unbrought", len(failed), names=names, last=t.moment(failed[0].at, at))
        yield Problem(text, t("tonight.act-technicians"), "technicians.index")


def _names(failed: Iterable[outlook.Unbrought], who: Mapping[str, Person]) -> Iterator[str]:
    for each in failed:
        kind, _, name = each.recipient.partition(":")
        yield who[name].name if kind == "technician" and name in who else name
