"""Cases, at the office's desk: the list, a case with all that is done to it, what is billed as a file."""

from __future__ import annotations

from flask import Response, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from console.access.roles import May
from console.case_acts import ACTS, Doer
from console.web.area import Area
from console.web.case_desk import Desk
from console.web.context import at, house, reading, user, words, writing
from console.web.render import page, to
from console.web.shown import billing, case_list
from console.web.shown import case as shown_case
from console.web.shown.billing import Asked
from storage import audit

area = Area("cases")

DESK = Desk(
    area="cases",
    template="cases/show.html",
    sees=lambda connection, case: True,
    doer=lambda: Doer(user().actor, None, "hand"),
    acts=lambda: frozenset(ACTS) if user().may(May.WORK_CASES) else frozenset(),
    himself=False,
)


@area.page("/cases", May.SEE)
def index() -> str:
    return page("cases/index.html", **_list())


@area.page("/cases/rows", May.SEE, polled=True)
def rows() -> str:
    return page("cases/rows.html", **_list())


@area.page("/cases/<number>", May.SEE)
def show(number: str) -> AnyResponse | str:
    with reading() as connection:
        found = shown_case.find(connection, number)
    if found is None:
        raise NotFound
    if found.number != number:  # its spoken code
        return redirect(url_for("cases.show", number=found.number), 303)
    return DESK.show(number)


@area.page("/cases/<number>/pulse", May.SEE, polled=True)
def pulse(number: str) -> str:
    return DESK.pulse(number)


@area.page("/cases/<number>/act", May.WORK_CASES, post=True)
def act(number: str) -> AnyResponse | tuple[str, int]:
    done = DESK.act(number)
    if not isinstance(done, str):
        return done
    return to("cases.show", f"cases.{done}", number=number)


@area.page("/cases/<number>/customer", May.WORK_CASES, post=True)
def search(number: str) -> str:
    return DESK.searched(number)


@area.page("/cases/<number>/sound/<int:recording>", May.HEAR)
def sound(number: str, recording: int) -> Response:
    return DESK.sound(number, recording)


# -- what is billed ------------------------------------------------------------------------------


@area.page("/cases/export", May.EXPORT)
def export() -> str:
    wanted = billing.asked(request.args, at(), house().configuration.zone)
    return page("cases/export.html", wanted=wanted, wrong="")


@area.page("/cases/export", May.EXPORT, post=True)
def download() -> AnyResponse | tuple[str, int]:
    configuration = house().configuration
    wanted = billing.asked(request.form, at(), configuration.zone)
    if wrong := wanted.wrong:
        return _not_exported(wanted, wrong)
    # Of a long stretch it takes seconds: nobody who writes need wait for it.
    with reading() as connection:
        found = billing.file(connection, configuration, wanted, words())
    if found is None:
        return _not_exported(wanted, "customer")
    told = {"from": wanted.first, "to": wanted.last, "customer": wanted.customer, "what": wanted.what}
    with writing() as connection:
        audit.record(connection, user().actor, at(), "cases.export", "cases", details=told)
    answer = Response(found.text, mimetype="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{found.name}"'
    return answer


# -- small parts -------------------------------------------------------------------------------


def _list() -> dict[str, object]:
    configuration = house().configuration
    with reading() as connection:
        found = case_list.listed(connection, at(), configuration.zone, request.args)
    return {
        "found": found,
        "levels": [level.code for level in configuration.urgency.level],
        "nobody": case_list.NOBODY,
    }


def _not_exported(wanted: Asked, wrong: str) -> tuple[str, int]:
    refused = words()(f"cases.export-wrong-{wrong}")
    return page("cases/export.html", wanted=wanted, wrong=wrong, refused=refused), 422
