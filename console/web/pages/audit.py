"""The audit log: who did what, when and why; whether anybody changed it; a file of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

from flask import Response, current_app, request, url_for
from werkzeug.exceptions import BadRequest, Forbidden, NotFound
from werkzeug.routing import BuildError
from werkzeug.wrappers import Response as AnyResponse

from console import verification
from console.access.roles import May
from console.house import House
from console.web import jobs
from console.web.area import Area, right_of
from console.web.context import at, house, reading, user, words, writing
from console.web.jobs import Job, JobFailed, Progress
from console.web.render import page, to
from console.web.shown import audit as shown
from console.web.shown.audit import VERIFY, Subject
from oncall.rota.wallclock import instant_of
from storage import audit
from storage.audit import head
from storage.audit_search import Wanted

area = Area("audit")

FILTERS = ("who", "act", "subject", "from", "to")


@area.page("/audit", May.AUDIT)
def index() -> str | tuple[str, int]:
    asked, wanted, wrong = _asked(request.args)
    found, unreadable = None, False
    with reading() as connection:
        if not wrong:
            try:
                found = shown.gather(
                    connection, words(), wanted, asked["who"], before=_row("before"), after=_row("after")
                )
            except (ValueError, TypeError):
                unreadable = True
        last = shown.last_verdict(connection)
    told = page(
        "audit/index.html",
        found=found,
        asked=asked,
        filters={name: value for name, value in asked.items() if value},
        wrong=wrong,
        unreadable=unreadable,
        last=last,
        link_of=link_of,
    )
    return (told, 422) if wrong else told


@area.page("/audit/export", May.EXPORT, post=True)
def export() -> AnyResponse:
    """The acts that the filters leave, as a file, and an act that says so. It takes both rights: to see the
    log, and to take data out.
    """
    if not user().may(May.AUDIT):
        raise Forbidden
    asked, wanted, wrong = _asked(request.form)
    if wrong:
        raise BadRequest
    with writing() as connection:
        told = {name: value for name, value in asked.items() if value}
        audit.record(connection, user().actor, at(), "audit.export", "audit", details=told)
    with reading() as connection:
        text = shown.as_csv(connection, words(), wanted, asked["who"])
    answer = Response(text, mimetype="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = 'attachment; filename="audit.csv"'
    return answer


@area.page("/audit/verify", May.AUDIT, post=True)
def verify() -> AnyResponse:
    with writing(once=True) as connection:
        job = jobs.ask(connection, at(), user(), VERIFY, {})
    return to("work.show", job_id=job)


@area.page("/audit/verified/<int:job_id>", May.AUDIT)
def verified(job_id: int) -> str:
    with reading() as connection:
        job = jobs.find(connection, job_id)
    if job is None or job.kind != VERIFY or job.state != "done":
        raise NotFound
    return page("audit/verified.html", job=job, lost=shown.lost(job.result or {}))


def _verify(house: House, at: datetime, job: Job, progress: Progress) -> Mapping[str, Any]:
    try:
        known = verification.outside(house.configuration)
    except OSError:
        raise JobFailed({"why": "vouchers"}) from None
    with house.database.read() as connection:
        total = head(connection).id - known.anchors.beginning.id
        verdict = verification.verify(connection, known, lambda rows: progress(min(rows, total), total))
    return shown.verdict_as_result(verdict)


JOBS: Mapping[str, Callable[[House, datetime, Job, Progress], Mapping[str, Any]]] = {VERIFY: _verify}


# -- what was asked for --------------------------------------------------------------------------


def _asked(given: Mapping[str, str]) -> tuple[dict[str, str], Wanted, dict[str, str]]:
    """The filters as they were typed, what they mean, and the keys of what is wrong with which."""
    asked = {name: given.get(name, "").strip()[:120] for name in FILTERS}
    first, last = (_day(asked[name]) for name in ("from", "to"))
    wrong = {}
    if (asked["from"] and first is None) or (asked["to"] and last is None):
        wrong["from"] = "audit.wrong-day"
    elif first and last and last < first:
        wrong["from"] = "audit.wrong-order"
    zone = house().configuration.zone
    wanted = Wanted(
        act=asked["act"] or None,
        subject=asked["subject"] or None,
        start=instant_of(first, time(0, 0), zone) if first else None,
        end=instant_of(last + timedelta(days=1), time(0, 0), zone) if last else None,
    )
    return asked, wanted, wrong


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 1970 <= day.year < 2200 else None


def _row(name: str) -> int | None:
    value = request.args.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None


# -- links ---------------------------------------------------------------------------------------

# By kind of subject: the page that shows it, and the name of the place its id goes to.
PAGES: dict[str, tuple[str, str]] = {
    "call": ("calls.show", "sid"),
    "case": ("cases.show", "number"),
    "customer": ("customers.show", "code"),
    "pin": ("pins.show", "pin_id"),
    "rota": ("rota.month", "rota"),
    "swap": ("rota.swap", "number"),
    "technician": ("technicians.show", "key"),
    "user": ("users.show", "user_id"),
    "customers": ("customers.index", ""),
    "pins": ("pins.index", ""),
}


def link_of(about: Subject) -> str:
    """The page of what an act was done to; empty if there is none, or none that the user may see."""
    if about.kind == "audit" and about.id.isdigit():
        return url_for("audit.index", before=int(about.id) + 1)
    endpoint, place = PAGES.get(about.kind, ("", ""))
    if endpoint not in current_app.view_functions or bool(place) != bool(about.place):
        return ""
    needed = right_of(endpoint)
    if needed is not None and not user().may(needed):
        return ""
    try:
        return url_for(endpoint, **({place: about.place} if place else {}))  # type: ignore[arg-type]
    except (BuildError, ValueError):
        return ""
