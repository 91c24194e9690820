"""The page of a case, for a technician's phone: `/c/TOKEN`. Looking changes nothing; acts are POST.

Links in messages are opened by programs too, to show what is behind them: so a GET may be asked for by
anybody, as often as he likes, and no act is done by it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime

from flask import Blueprint, Response, g, redirect, render_template, request, send_file, url_for
from sqlalchemy import Connection
from werkzeug.exceptions import BadRequest, Gone, NotFound, ServiceUnavailable, UnsupportedMediaType
from werkzeug.wrappers import Response as AnyResponse

from console.arrived import arrived
from console.case_story import sound as recorded
from console.customer_search import Found, search
from console.house import Clock, House
from console.processes.standing_by import spares
from console.public import acts
from console.public.acts import NotDone
from console.public.case_view import View, sounds, view
from console.public.guard import error_page, guarded
from console.public.wording import Words, preferred
from oncall import people
from oncall.cases import cases, links
from oncall.cases.cases import CaseClosed
from oncall.cases.links import Link

security = logging.getLogger("ivr.security")

MOST_FIELDS = 20


def case_pages(house: House, clock: Clock) -> Blueprint:
    """The pages of case links. Raises IndexError if service.keys has none."""
    blueprint = Blueprint(
        "case", __name__, template_folder="templates", static_folder="static", static_url_path="/c/static"
    )

    @blueprint.get("/c/<token>")
    def show(token: str) -> Response:
        at = clock()
        with house.database.read() as connection:
            link = _live(connection, at, house, token)
            words: Words = g.words
            shown = view(connection, at, house, link, words)
            keys = acts.keys_of(connection, house, link, shown.case)
        said = request.args.get("m", "")
        return _page(house, token, words, shown, keys, said=_said(words, shown, said))

    @blueprint.post("/c/<token>")
    def act(token: str) -> AnyResponse:
        at = clock()
        form = _form()
        wanted = form.get("act", "")
        if wanted == "search":
            return _searched(at, token, form)
        if wanted not in acts.ACTS:
            raise BadRequest
        try:
            with house.database.write() as connection:
                link = _live(connection, at, house, token)
                if link.technician is None:
                    return _only_looks(g.words)
                done = acts.do(connection, at, house, link, wanted, form)
        except CaseClosed:
            raise Gone from None
        except NotDone as refused:
            if refused.why != "meanwhile":
                return _refused(at, token, form, refused.why)
            done = refused.why
        return redirect(url_for(".show", token=token, m=done), 303)

    def _refused(at: datetime, token: str, form: Mapping[str, str], why: str) -> Response:
        """The page again, with what was typed and why it will not do."""
        with house.database.read() as connection:
            link = _live(connection, at, house, token)
            words: Words = g.words
            shown = view(connection, at, house, link, words)
            keys = acts.keys_of(connection, house, link, shown.case)
        said = words.refused.get(why, words.refused["other"])
        answer = _page(house, token, words, shown, keys, refused=said, kept=form, opened=form["act"])
        answer.status_code = 422
        return answer

    def _searched(at: datetime, token: str, form: Mapping[str, str]) -> Response:
        """The page with what a search found: by POST, so that what was typed stands in no address."""
        with house.database.read() as connection:
            link = _live(connection, at, house, token)
            words: Words = g.words
            if link.technician is None:
                return _only_looks(words)
            shown = view(connection, at, house, link, words)
            keys = acts.keys_of(connection, house, link, shown.case)
            asked = shown.case.screened and shown.case.customer_id is None
            found = search(connection, form.get("q", "")) if asked else None
        return _page(house, token, words, shown, keys, found=found, kept=form, opened="name")

    @blueprint.get("/c/<token>/sound/<int:number>")
    def sound(token: str, number: int) -> Response:
        at = clock()
        with house.database.read() as connection:
            link = _live(connection, at, house, token)
            words: Words = g.words
            case = cases.find(connection, cases.number_of(connection, link.case_id))
            known = {
                each.number: each.file
                for each in sounds(connection, case, at, house.configuration.zone, words)
            }
        file = recorded(house, known.get(number, ""))
        if file is None:
            raise NotFound
        return send_file(file, mimetype="audio/mpeg", etag=False, conditional=True)

    return guarded(blueprint, house)


# -- small parts -------------------------------------------------------------------------------


def _live(connection: Connection, at: datetime, house: House, token: str) -> Link:
    """The link, if it opens anything. Raises NotFound, Gone."""
    link = links.find(connection, at, token)
    if link is None and spares(house.configuration).any():
        # It may have been sent while the database was away, and be on its way home.
        raise ServiceUnavailable
    if link is None:
        security.warning("a case link was asked for that is unknown or has expired")
        raise NotFound
    g.words = _words(connection, house, link)
    if link.closed:
        raise Gone
    return link


def _form() -> Mapping[str, str]:
    """What was sent, each field once. Raises 413, 415 or 400."""
    if request.mimetype != "application/x-www-form-urlencoded":
        raise UnsupportedMediaType
    form = arrived(lambda: request.form)
    if len(form) > MOST_FIELDS or any(len(values) > 1 for _, values in form.lists()):
        raise BadRequest
    # No database takes a NUL.
    return {name: value.replace("\0", "") for name, value in form.items()}


def _words(connection: Connection, house: House, link: Link) -> Words:
    """In the language of whoever the link was made for."""
    languages = house.configuration.service.languages
    wanted = people.technician(connection, link.technician).language if link.technician else None
    return preferred(wanted, languages)


def _said(words: Words, shown: View, what: str) -> str:
    """What is said of the act that led here. Only names of ours; what else stands in an address is not."""
    if what == "meanwhile" and (shown.holder is None or shown.mine):
        return ""
    if what not in words.done:
        return ""
    return words.done[what].replace("{name}", shown.holder.name if shown.holder else "")


def _only_looks(words: Words) -> Response:
    return Response(error_page(words, "look", words.page["look-only"]), 403, mimetype="text/html")


def _page(
    house: House,
    token: str,
    words: Words,
    shown: View,
    keys: Mapping[str, str],
    *,
    said: str = "",
    refused: str = "",
    kept: Mapping[str, str] | None = None,
    found: Found | None = None,
    opened: str = "",
) -> Response:
    text = render_template(
        "public/case.html",
        token=token,
        words=words,
        page=words.page,
        do=words.acts,
        view=shown,
        case=shown.case,
        keys=keys,
        levels=[
            (
                level.code,
                level.definition.get(words.language, level.meaning if words.language == "en" else ""),
            )
            for level in house.configuration.urgency.level
        ],
        said=said,
        refused=refused,
        kept=kept or {},
        found=found,
        opened=opened,
    )
    return Response(text, mimetype="text/html")
