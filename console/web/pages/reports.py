"""Reports: what a period was like, as plots one reads at a glance, each with its figures beside it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

from flask import Response, request
from sqlalchemy import Connection
from werkzeug.exceptions import BadRequest, Forbidden
from werkzeug.wrappers import Response as AnyResponse

from console.access.roles import May
from console.reports import report_tables
from console.web.area import Area
from console.web.context import at, house, reading, user, words, writing
from console.web.people import people
from console.web.render import page
from console.web.shown import report_span
from console.web.shown import reports as shown
from console.web.shown.report_span import DEFAULT, PERIODS, RECENT, Asked
from ivr.records import reports
from oncall.reports import KINDS
from storage import audit

area = Area("reports")

# What the page can show, each by itself or all of it to be printed.
PARTS = ("calls", "cases", "customers", "duty")


@area.page("/reports", May.REPORTS)
def index() -> str | tuple[str, int]:
    configuration = house().configuration
    with reading() as connection:
        asked = _asked(connection, request.args)
        choices = report_span.choices(connection, configuration)
        see = request.args.get("see", "")
        see = see if see in (*PARTS, "all") else PARTS[0]
        parts = PARTS if see == "all" else (see,)
        found = shown.gather(connection, at(), configuration, words(), asked, parts)
    told = page(
        "reports/index.html",
        asked=asked,
        choices=choices,
        periods=PERIODS,
        found=found,
        see=see,
        parts=PARTS,
        groups=shown.GROUP_NAMES,
        kinds=KINDS,
        night=configuration.reports.night,
        per_person=configuration.reports.per_person,
        plus=_plus,
        less=_less,
        hours=_hours,
    )
    return (told, 422) if asked.wrong else told


@area.page("/reports/rest", May.REPORTS)
def rest() -> str | tuple[str, int]:
    """Who could not rest eleven hours in a row. Named always, to protect those who work."""
    configuration = house().configuration
    with reading() as connection:
        asked = _asked(connection, request.args, RECENT)
        choices = report_span.choices(connection, configuration)
        sources = shown.sources(configuration)
        rota = asked.wanted.rota
        found = reports.tired(connection, sources, asked.span, rota)
        known = people(connection)
    told = page("reports/rest.html", asked=asked, choices=choices, periods=PERIODS, found=found, people=known)
    return (told, 422) if asked.wrong else told


@area.page("/reports/export", May.EXPORT, post=True)
def export() -> AnyResponse:
    """The tables of the command `ivr report --csv`, in one archive, and an act that says so. It takes both
    rights: to see reports, and to take data out.
    """
    if not user().may(May.REPORTS):
        raise Forbidden
    configuration = house().configuration
    with writing() as connection:
        asked = _asked(connection, request.form)
        if asked.wrong:
            raise BadRequest
        told = {"from": asked.span.first.isoformat(), "to": asked.span.last.isoformat()}
        if asked.wanted.rota:
            told["rota"] = asked.wanted.rota
        audit.record(connection, user().actor, at(), "reports.export", "reports", details=told)
    with reading() as connection:
        found = reports.gather(
            connection, at(), shown.sources(configuration), asked.span, asked.wanted.rota or None
        )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in report_tables.as_csv(found, configuration.zone).items():
            archive.writestr(name, text)
    answer = Response(content.getvalue(), mimetype="application/zip")
    name = f"report-{asked.span.first}-{asked.span.last}.zip"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _asked(connection: Connection, given: Mapping[str, str], default: str = DEFAULT) -> Asked:
    today = words().local(at()).date()
    return report_span.read(connection, house().configuration, today, given, default)


def _plus(query: Mapping[str, str], **more: str) -> dict[str, str]:
    return {**query, **more}


def _less(query: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in query.items() if key != name}


def _hours(seconds: int) -> str:
    """`123:45`, as the command and the payroll have it."""
    return f"{seconds // 3600}:{seconds % 3600 // 60:02d}"
