"""Looks once a day, while the admins are still at their desks, and tells them what has changed since.

What was found last stands in the notebook, a note for each machine: disk, clock and snapshot are its own.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from console.doctor.examination import Examination, examine
from console.doctor.finding import Finding
from console.doctor.look import Tools
from console.doctor.told import as_json
from console.house import House
from console.processes.keyholder import node_name
from oncall.rota.wallclock import instant_of
from storage import notebook
from storage.alarms import raise_alarm

log = logging.getLogger("ivr.doctor")

NOTE, ALARM = "doctor", "doctor"
# What stays red is told again after so long.
AGAIN = timedelta(days=7)
# A look that was begun and left nothing has died: another may begin.
BEGUN = timedelta(minutes=30)
TOLD = ("red", "yellow")


@dataclass(frozen=True)
class Changes:
    """What the admins are told. `again`: reds that have stayed for a week."""

    new: list[dict[str, Any]]
    gone: list[dict[str, Any]]
    again: list[dict[str, Any]]

    def __bool__(self) -> bool:
        return bool(self.new or self.gone or self.again)


def note_name(house: House) -> str:
    """The note of this machine. Names of machines may be longer than those of notes."""
    node = hashlib.sha256(node_name(house.configuration).encode()).hexdigest()[:16]
    return f"{NOTE} {node}"


def look(house: House, at: datetime, tools: Tools | None = None) -> Examination | None:
    """Look, if it is time and today nobody has; the examination, if there was one."""
    due = _due(house, at)
    if due is None or not _begin(house, at, due):
        return None
    made = examine(house, at, tools=tools)
    with house.database.write() as connection:
        note = notebook.read(connection, note_name(house))
        known = note.content.get("findings", {}) if note else {}
        now, changes = compared(known, made, at)
        content = {"for": due.isoformat(), "done": True, "node": node_name(house.configuration)}
        notebook.write(connection, at, note_name(house), content | {"findings": now})
        if changes:
            about = node_name(house.configuration)
            raise_alarm(connection, at, ALARM, about, _details(changes, made), quiet=timedelta())
    log.info("looked: %d red", sum(each.level == "red" for each in made.findings))
    return made


def _due(house: House, at: datetime) -> datetime | None:
    """When the last look was due; None if none is wanted."""
    settings, zone = house.configuration.doctor, house.configuration.zone
    if not settings.at:
        return None
    clock, today = time.fromisoformat(settings.at), at.astimezone(zone).date()
    due = instant_of(today, clock, zone)
    return due if due <= at else instant_of(today - timedelta(days=1), clock, zone)


def _begin(house: House, at: datetime, due: datetime) -> bool:
    """Whether the look of `due` is ours to do; it is then marked as begun. A machine's first look waits for
    its time: nobody need be told in the night in which it was set up.
    """
    name = note_name(house)
    with house.database.read() as connection:
        note = notebook.read(connection, name)
    known = note is not None and note.content["for"] == due.isoformat()
    if note and known and (note.content["done"] or at - note.at < BEGUN):
        return False
    findings = note.content.get("findings", {}) if note else {}
    first = note is None
    with house.database.write() as connection:
        content = {"for": due.isoformat(), "done": first, "node": node_name(house.configuration)}
        notebook.write(connection, at, name, content | {"findings": findings})
    return not first


def compared(
    known: Mapping[str, Mapping[str, Any]], made: Examination, at: datetime
) -> tuple[dict[str, dict[str, Any]], Changes]:
    """The findings to remember, and what is to be told of them. What was not looked at stays as it was known.

    A finding is the same one while its subject, key and level are; `told` is when the admins last were.
    """
    now: dict[str, dict[str, Any]] = {}
    new, again = [], []
    for each in made.findings:
        if each.level not in TOLD:
            continue
        before = known.get(_name(each))
        entry: dict[str, Any] = as_json(each)
        if before is None or before["level"] != each.level:
            entry |= {"since": at.isoformat(), "told": at.isoformat()}
            new.append(entry)
        else:
            entry |= {"since": before["since"], "told": before["told"]}
            if each.level == "red" and at - datetime.fromisoformat(before["told"]) >= AGAIN:
                entry["told"] = at.isoformat()
                again.append(entry)
        now[_name(each)] = entry
    gone = []
    for name, was in known.items():
        if name in now:
            continue
        if was["subject"] in made.unseen:
            now[name] = dict(was)
        else:
            gone.append(dict(was))
    return now, Changes(new, gone, again)


def _name(each: Finding) -> str:
    return f"{each.subject}: {each.key}"


def _details(changes: Changes, made: Examination) -> dict[str, Any]:
    """What the alarm's text is made of; what is empty is left out."""
    told: dict[str, Any] = {"red": sum(each.level == "red" for each in made.findings)}
    for name, entries in (("new", changes.new), ("again", changes.again)):
        if entries:
            told[name] = [f"{_signed(each)} {each['remedy']}" for each in entries]
            told[f"{name}_many"] = len(entries)
    if changes.gone:
        told["gone"] = [_signed(each) for each in changes.gone]
        told["gone_many"] = len(changes.gone)
    return told


def _signed(entry: Mapping[str, Any]) -> str:
    return f"[{str(entry['level']).upper()}] {entry['subject']}: {entry['what']}"
