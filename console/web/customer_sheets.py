"""Customers from an uploaded sheet, as long work: checked first and shown, then written as it was shown.

The sheet and what it would do lie in the folder of the work (`work_files`), for customers are named in them;
the work's own row holds figures only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from console.house import House
from console.web import customer_form, work_files
from console.web.jobs import Job, JobFailed, Progress
from pins import customer_csv, customer_import, customers
from pins.customer_card import differences, fields_of
from pins.customer_import import Plan

SHEET, PREVIEW = "sheet.csv", "preview.json"
# So many of each are shown; whoever has more mistakes mends these first.
SHOWN = 200
# So many customers are written at once. It takes SQLite's one writer about 0.7 s, which calls wait for; they
# give up after 2 s. Larger sheets are divided.
MOST_WRITTEN = 5000
# While so many changes of others come in between, the plan is made anew.
PATIENCE = 5


def check(house: House, at: datetime, job: Job, progress: Progress) -> Mapping[str, Any]:
    """What the sheet would do, put beside it; nothing is written into the database."""
    folder = work_files.folder(house, job.input["folder"])
    data = _sheet(folder)
    with house.database.read() as connection:
        existing = customers.all_customers(connection)
    made = customer_import.plan(data, existing, customer_form.national(house.configuration))
    preview = {
        "mistakes": [
            {"row": each.row, "column": each.column, "reason": each.reason, "facts": dict(each.facts)}
            for each in made.mistakes[:SHOWN]
        ],
        "added": [[card.code, card.name] for card in made.added[:SHOWN]],
        "changed": [
            {"code": after.code, "name": after.name, "fields": differences(before, after)}
            for before, after in made.changed[:SHOWN]
        ],
    }
    # One that died in the middle has left it there.
    (folder / PREVIEW).unlink(missing_ok=True)
    work_files.write(folder, PREVIEW, json.dumps(preview, ensure_ascii=False, default=str).encode())
    return {
        "mistakes": len(made.mistakes),
        "added": len(made.added),
        "changed": len(made.changed),
        "unchanged": made.unchanged,
        "digest": digest(made),
        "too_many": len(made.added) + len(made.changed) > most_written(house),
    }


def most_written(house: House) -> int:
    """How many customers a sheet may add and change. PostgreSQL has many writers."""
    sqlite = house.database.engine.dialect.name == "sqlite"
    return MOST_WRITTEN if sqlite else customer_csv.MOST_ROWS


def write(house: House, at: datetime, job: Job, progress: Progress) -> Mapping[str, Any]:
    """Write what was shown, all of it, and say so in the same transaction; or nothing, if it would be
    something else by now.
    """
    folder = work_files.folder(house, job.input["folder"])
    data = _sheet(folder)
    national = customer_form.national(house.configuration)
    for _ in range(PATIENCE):
        # To read a sheet takes seconds, and calls must not wait for it: it is done before the transaction.
        with house.database.read() as connection:
            existing = customers.all_customers(connection)
        made = customer_import.plan(data, existing, national)
        if made.mistakes or digest(made) != job.input["digest"]:
            raise JobFailed({"why": "changed"})
        result = {"added": len(made.added), "changed": len(made.changed), "unchanged": made.unchanged}
        with house.database.write() as connection:
            if customers.all_customers(connection) != existing:
                continue
            customer_import.apply(connection, job.actor, at, made)
            progress.finish(connection, result)
        work_files.remove(house, job.input["folder"])
        return result
    raise JobFailed({"why": "changed"})


def preview(house: House, job: Job) -> dict[str, Any] | None:
    """What the check found; None if its sheet is gone: written, thrown away, or too old."""
    try:
        text = (work_files.folder(house, job.input["folder"]) / PREVIEW).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    found: dict[str, Any] = json.loads(text)
    return found


def digest(made: Plan) -> str:
    """Of everything that would be written: two plans with the same one do the same."""
    told = {
        "added": [fields_of(card) for card in made.added],
        "changed": [[before.code, differences(before, after)] for before, after in made.changed],
    }
    text = json.dumps(told, default=str, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _sheet(folder: Path) -> bytes:
    """Raises JobFailed if it is gone."""
    try:
        return (folder / SHEET).read_bytes()
    except FileNotFoundError:
        raise JobFailed({"why": "gone"}) from None
