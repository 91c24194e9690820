"""What the pages of the audit log show: acts with names and readable details, and verdicts on the log."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, select

from console.tables import console_users
from console.verification import Verdict
from console.web import jobs
from console.web.actors import Actors, actors
from console.web.jobs import Job
from console.web.words import Words
from pins import customer_csv
from pins.tables import customers, pins
from storage import audit_search
from storage.anchors import Lost
from storage.audit import Act
from storage.audit_search import Found, Wanted

PAGE = 50
VERIFY = "audit-verify"
COLUMNS = ("id", "at", "actor", "name", "act", "subject", "details")
# Faults that are kept of a verification: more say no more.
KEPT_FAULTS = 50
# Acts whose details are pairs: what it was, what it became.
_CHANGES = re.compile(r".*\.(change|minutes|import|provision|undo)")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?([+-]\d\d:\d\d|Z)")
# Details that hold a technician's key.
_PEOPLE = ("technician", "proposer", "counterpart")
# Details whose values have words of their own: what these begin with.
_NAMED = {
    "by": "audit.by-",
    "coverage": "customers.coverage-",
    "language": "technicians.language-",
    "outcome": "calls.outcome-",
    "role": "roles.role-",
    "via": "audit.via-",
    "what": "cases.export-",
}


@dataclass(frozen=True)
class Subject:
    """What an act was done to: its kind and id, a name where there is one, and `place`, by which its page is
    found: the id, for a customer the code.
    """

    text: str
    kind: str
    id: str
    name: str = ""
    place: str = ""


@dataclass(frozen=True)
class Detail:
    """One detail in words; `long` for what is better folded away."""

    label: str
    text: str
    long: bool = False


@dataclass(frozen=True)
class Shown:
    """An act; `details` is None if they were erased."""

    act: Act
    who: str
    what: str
    subject: Subject
    details: list[Detail] | None


@dataclass(frozen=True)
class Page:
    """One page of the log. `people` and `kinds` are what it can be filtered by: values with their names."""

    rows: list[Shown]
    newer: bool
    older: bool
    people: list[tuple[str, str]]
    kinds: list[tuple[str, str]]


def base(actor: str) -> str:
    """The actor without the channel he acted through."""
    return actor.partition(" via ")[0]


def gather(
    connection: Connection,
    words: Words,
    wanted: Wanted,
    who: str,
    *,
    before: int | None = None,
    after: int | None = None,
) -> Page:
    """A page of what is wanted; `who` is an actor without channel, or empty. Raises ValueError or TypeError
    for a log in which somebody wrote what the service never writes.
    """
    known = audit_search.actors(connection)
    names = actors(connection)
    wanted = _by(wanted, known, who)
    found: Found = audit_search.search(connection, wanted, before=before, after=after, limit=PAGE)
    kinds = [(kind, act_in_words(words, kind)) for kind in audit_search.kinds(connection)]
    people = {base(each): names.name(each, words) for each in known}
    return Page(
        rows=_shown(connection, words, names, found.acts),
        newer=found.newer,
        older=found.older,
        people=sorted(people.items(), key=lambda each: each[1].casefold()),
        kinds=sorted(kinds, key=lambda each: each[1].casefold()),
    )


def as_csv(connection: Connection, words: Words, wanted: Wanted, who: str) -> str:
    """All that is wanted, for a spreadsheet: UTF-8 with its mark, semicolons, no cell that is a formula.
    Raises as `gather`.
    """
    names = actors(connection)
    wanted = _by(wanted, audit_search.actors(connection), who)
    rows = (
        (
            str(act.id),
            words.local(act.at).isoformat(timespec="seconds"),
            act.actor,
            names.name(act.actor, words),
            act.act,
            act.subject,
            words("audit.erased") if act.details is None else json.dumps(act.details, ensure_ascii=False),
        )
        for act in audit_search.every(connection, wanted)
    )
    return "\ufeff" + customer_csv.write(COLUMNS, rows, separator=";")


def _by(wanted: Wanted, known: Iterable[str], who: str) -> Wanted:
    if not who:
        return wanted
    # Nobody is called "": somebody who never acted finds nothing.
    return replace(wanted, actors=tuple(each for each in known if base(each) == who) or ("",))


def act_in_words(words: Words, act: str) -> str:
    """What was done; an act that has no words keeps its name."""
    return words.maybe(f"audit.act-{act.replace('.', '-')}", act)


def _shown(connection: Connection, words: Words, names: Actors, acts: Iterable[Act]) -> list[Shown]:
    acts = list(acts)
    subjects = _named(connection, names, acts)
    owners = _customers(connection, {each.details.get("customer") for each in acts if each.details})
    return [
        Shown(
            act,
            names.name(act.actor, words),
            act_in_words(words, act.act),
            subjects[act.subject],
            None if act.details is None else details_in_words(words, names, owners, act.act, act.details),
        )
        for act in acts
    ]


# -- subjects ----------------------------------------------------------------------------------


def subject(text: str) -> Subject:
    """`"pin:3"` in its parts; what has no id, such as "customers", is a kind alone."""
    kind, _, number = text.partition(":")
    if text == "audit":  # all of it: with an id the same kind is one row
        kind = "log"
    return Subject(text, kind, number, place=number)


def _named(connection: Connection, names: Actors, acts: Iterable[Act]) -> dict[str, Subject]:
    """The subjects of these acts, with names: three queries, however many."""
    found = {each.subject: subject(each.subject) for each in acts}
    ids: dict[str, set[int]] = {"customer": set(), "pin": set(), "user": set()}
    for each in found.values():
        if each.kind in ids and each.id.isascii() and each.id.isdigit() and len(each.id) < 10:
            ids[each.kind].add(int(each.id))
    users = select(console_users.c.id, console_users.c.full_name).where(console_users.c.id.in_(ids["user"]))
    of_pins = select(pins.c.id, customers.c.name).join(customers, customers.c.id == pins.c.customer_id)
    known = select(customers.c.id, customers.c.code, customers.c.name)
    owners = list(connection.execute(known.where(customers.c.id.in_(ids["customer"]))))
    called = {
        "customer": {row.id: row.name for row in owners},
        "pin": {row.id: row.name for row in connection.execute(of_pins.where(pins.c.id.in_(ids["pin"])))},
        "user": {row.id: row.full_name for row in connection.execute(users)},
    }
    codes = {str(row.id): row.code for row in owners}
    named = {}
    for text, each in found.items():
        name = names.person(each.id) if each.kind == "technician" else ""
        if each.kind in called and each.id.isdigit():
            name = called[each.kind].get(int(each.id), "")
        place = codes.get(each.id, "") if each.kind == "customer" else each.id
        named[text] = replace(each, name="" if name == each.id else name, place=place)
    return named


def _customers(connection: Connection, ids: Iterable[object]) -> dict[int, str]:
    wanted = [each for each in ids if isinstance(each, int)]
    rows = connection.execute(select(customers.c.id, customers.c.name).where(customers.c.id.in_(wanted)))
    return {row.id: row.name for row in rows}


# -- details -----------------------------------------------------------------------------------


def details_in_words(
    words: Words, names: Actors, owners: Mapping[int, str], act: str, details: Mapping[str, Any]
) -> list[Detail]:
    """Each detail with a label, in the order in which they were written; empty ones are left out."""
    changes = _CHANGES.fullmatch(act) is not None
    found = []
    for key, value in details.items():
        if value in (None, "", [], {}):
            continue
        label = words.maybe(f"audit.detail-{key.replace('_', '-')}", key)
        if act == "case.take" and key == "from":
            key = "technician"
        if isinstance(value, dict):
            found.append(Detail(label, _document(value), long=True))
        elif isinstance(value, list) and len(value) == 2 and value[0] is None:
            found.append(Detail(label, _value(words, names, owners, key, value[1])))
        elif changes and isinstance(value, list) and len(value) == 2:
            pair = [_value(words, names, owners, key, each) for each in value]
            found.append(Detail(label, words("audit.became", before=pair[0], after=pair[1])))
        else:
            found.append(Detail(label, _value(words, names, owners, key, value)))
    return found


def _value(words: Words, names: Actors, owners: Mapping[int, str], key: str, value: object) -> str:
    if value in (None, "", []):
        return words("audit.nothing")
    if isinstance(value, bool):
        return words("audit.yes" if value else "audit.no")
    if isinstance(value, list):
        return ", ".join(_value(words, names, owners, key, each) for each in value)
    if isinstance(value, int):
        return owners.get(value, f"{value}") if key == "customer" else words.number(value)
    text = str(value)
    if key in _PEOPLE:
        return names.person(text)
    if key == "who":
        return names.name(text, words)
    if key == "act":
        return act_in_words(words, text)
    if key == "unheard":
        return words("audit.yes")
    if key in _NAMED:
        return words.maybe(f"{_NAMED[key]}{text}", text)
    return _time(words, text)


def _time(words: Words, text: str) -> str:
    """A day or an instant in words; any other text is itself, a date that never was too."""
    try:
        if _DAY.fullmatch(text):
            return words.day(date.fromisoformat(text))
        if _INSTANT.fullmatch(text):
            at = datetime.fromisoformat(text.replace("Z", "+00:00"))
            return f"{words.day(at)}, {words.time(at)}"
    except (ValueError, OverflowError):
        pass
    return text


def _document(value: Mapping[str, Any], depth: int = 0) -> str:
    """A nested detail, such as the rules of a rota, as indented lines."""
    lines = []
    for key, each in value.items():
        if isinstance(each, dict):
            lines += ["  " * depth + f"{key}:", _document(each, depth + 1)]
        elif isinstance(each, list) and any(isinstance(one, dict) for one in each):
            lines.append("  " * depth + f"{key}:")
            lines += [
                _document(one, depth + 1) if isinstance(one, dict) else "  " * (depth + 1) + str(one)
                for one in each
            ]
        else:
            told = ", ".join(map(str, each)) if isinstance(each, list) else each
            lines.append("  " * depth + f"{key}: {told}")
    return "\n".join(line for line in lines if line)


# -- verdicts ----------------------------------------------------------------------------------


def verdict_as_result(verdict: Verdict) -> dict[str, Any]:
    """A verdict as the result of the work that came to it."""
    return {
        "rows": verdict.rows,
        "anchors": verdict.anchors,
        "ledger": verdict.ledger,
        "waiting": verdict.waiting,
        "torn": verdict.torn,
        "holds": verdict.holds,
        "keyed": verdict.keyed,
        "remembers_nothing": verdict.remembers_nothing,
        "lost": [
            {"at": each.at.isoformat(), "after": each.after, "upto": each.upto}
            for each in verdict.lost[:KEPT_FAULTS]
        ],
        "faults": [
            {"row": each.id, "kind": each.kind, "upto": each.upto} for each in verdict.faults[:KEPT_FAULTS]
        ],
        "files": [{"file": each.file, "line": each.line} for each in verdict.file_faults[:KEPT_FAULTS]],
        "count": len(verdict.faults) + len(verdict.file_faults),
    }


def lost(result: Mapping[str, Any]) -> list[Lost]:
    """What restored backups took away, in the result of the work that came to a verdict."""
    return [
        Lost(datetime.fromisoformat(each["at"]), each["after"], each["upto"])
        for each in result.get("lost", ())
    ]


def last_verdict(connection: Connection) -> Job | None:
    """The latest verification that came to an end; None if there was none in the last month."""
    return next((each for each in jobs.of_kind(connection, VERIFY) if each.state == "done"), None)
