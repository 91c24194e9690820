"""Calendar addresses: given out, shown once, ended."""

from __future__ import annotations

from flask import request

from console.access.roles import May
from console.web.actors import actors
from console.web.context import at, house, reading, words, writing
from console.web.pages.rota.acts import Answer
from console.web.pages.rota.common import actor, area, must_be_chosen, refusal
from console.web.people import people
from console.web.render import page, to
from oncall.calendars import feeds as verbs
from oncall.people import RosterRefusal
from oncall.rota import roster


@area.page("/rota/feeds", May.PLAN)
def feeds() -> str:
    return _show()


def _show(address: str = "", whose: str = "", refused: str = "") -> str:
    with reading() as connection:
        here = must_be_chosen(connection)
        standing = verbs.standing(connection)
        known = people(connection)
        did = actors(connection, [each.issued_by for each in standing])
        serving = [each.key for each in roster.all_technicians(connection) if not each.left_by(at())]
    return page(
        "rota/feeds.html",
        rota=here,
        w=here.w,
        rotas={each.rota: each for each in standing if each.rota},
        technicians={each.technician: each for each in standing if each.technician},
        serving=sorted((known[key] for key in serving), key=lambda who: who.name.casefold()),
        known=known,
        actors=did,
        address=address,
        whose=whose,
        refused=refused,
        public=bool(house().configuration.service.public_url),
        tab="feeds",
    )


def _whose() -> tuple[str | None, str | None]:
    """The rota or the technician that the form is about."""
    technician = request.form.get("technician") or None
    return (None if technician else request.form.get("of", "")), technician


@area.page("/rota/feeds/issue", May.PLAN, post=True)
def feed_issue() -> Answer:
    """The new address, on this page and nowhere else."""
    base = house().configuration.service.public_url
    if not base:
        return _show(refused=words()("rota.no-address")), 422
    rota, technician = _whose()
    try:
        with writing(once=True) as connection:
            token = verbs.issue(connection, actor(), at(), rota=rota, technician=technician)
            whose = roster.technician(connection, technician).name if technician else rota or ""
    except RosterRefusal as refused:
        return _show(refused=refusal(refused)), 422
    return _show(f"{base}/cal/{token}.ics", whose)


@area.page("/rota/feeds/revoke", May.PLAN, post=True)
def feed_revoke() -> Answer:
    rota, technician = _whose()
    with writing() as connection:
        here = must_be_chosen(connection)
        verbs.revoke(connection, actor(), at(), rota=rota, technician=technician)
    return to("rota.feeds", "rota.feed-revoked", rota=here.key)
