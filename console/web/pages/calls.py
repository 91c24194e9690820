"""Calls: looked for, told whole, listened to, taken out as a file."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flask import Response, request, send_file, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from console import case_story
from console.access.roles import May
from console.web.actors import actors
from console.web.area import Area
from console.web.context import at, house, reading, user, words, writing
from console.web.render import is_fragment, page, to
from console.web.shown import calls as shown
from console.web.shown.calls import Asked
from ivr.journal import UnknownCall
from ivr.records import call_search, heard
from ivr.records.call_search import Wanted
from ivr.records.heard import UnknownMessage
from storage import audit

area = Area("calls")

# How the network names calls and recordings.
_NAME = re.compile(r"[A-Za-z0-9]{1,34}")


@area.page("/calls", May.SEE)
def index() -> str | tuple[str, int]:
    configuration = house().configuration
    asked = shown.asked(request.args, configuration)
    older, newer = (shown.place(request.args.get(name, "")) for name in ("older", "newer"))
    with reading() as connection:
        found = shown.listed(connection, at(), asked.wanted, older, newer)
    before = after = None
    if found.newer and found.calls:
        before = _page(asked, newer=shown.mark(found.calls[0].place))
    if found.older and found.calls:
        after = _page(asked, older=shown.mark(found.calls[-1].place))
    answer = page(
        "calls/index.html",
        found=found,
        asked=asked,
        before=before,
        after=after,
        numbers=shown.numbers(configuration),
        levels=[level.code for level in configuration.urgency.level],
        outcomes=shown.OUTCOMES,
        colours=shown.COLOURS,
        labels={name: words()(f"calls.{name}") for name in shown.LABELS},
    )
    return (answer, 422) if asked.wrong else answer


def _page(asked: Asked, **place: str) -> str:
    """The address of another page of the same list."""
    typed = {name: text for name, text in asked.typed.items() if text}
    return url_for("calls.index", **typed, **place)  # type: ignore[arg-type]


@area.page("/calls/<sid>", May.SEE)
def show(sid: str) -> str:
    if not _NAME.fullmatch(sid):
        raise NotFound
    try:
        with reading() as connection:
            found = shown.shown(connection, at(), sid)
            names = actors(connection, [each.heard_by or "" for each in found.messages])
    except UnknownCall:
        raise NotFound from None
    return page(
        "calls/show.html",
        call=found.call,
        found=found,
        names=names,
        numbers=shown.numbers(house().configuration),
        colours=shown.COLOURS,
    )


# -- messages ------------------------------------------------------------------------------------


@area.page("/calls/messages/<recording>", May.HEAR)
def sound(recording: str) -> Response:
    """The sound of a message, or a stretch of it. The file's name is ours, never the address's."""
    if not _NAME.fullmatch(recording):
        raise NotFound
    try:
        with reading() as connection:
            message = heard.find(connection, recording)
    except UnknownMessage:
        raise NotFound from None
    file = case_story.sound(house(), message.file or "")
    if file is None:
        raise NotFound
    answer = send_file(file, mimetype="audio/mpeg", etag=False, conditional=True)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@area.page("/calls/messages/<recording>/heard", May.HEAR, post=True)
def listened(recording: str) -> AnyResponse | str:
    """Somebody has listened to it, or says that nobody need."""
    if not _NAME.fullmatch(recording):
        raise NotFound
    try:
        with writing() as connection:
            heard.listened(connection, user().actor, at(), recording)
            message = heard.find(connection, recording)
            names = actors(connection, [message.heard_by or ""])
    except UnknownMessage:
        raise NotFound from None
    if is_fragment():
        return page("calls/_heard.html", message=message, names=names)
    return to("calls.show", "calls.heard", sid=message.call_sid)


# -- as a file -----------------------------------------------------------------------------------


@area.page("/calls/export", May.EXPORT, post=True)
def export() -> AnyResponse:
    """The calls that the list shows, as CSV."""
    configuration, t, instant, database = house().configuration, words(), at(), house().database
    asked = shown.asked(request.form, configuration)
    with writing() as connection:
        told = {name: text for name, text in asked.typed.items() if text}
        audit.record(connection, user().actor, instant, "calls.export", "calls", details=told)

    def rows(wanted: Wanted) -> Iterator[str]:
        with database.read() as connection:
            found = call_search.every(connection, instant, wanted, most=shown.MOST_EXPORTED)
            yield from shown.rows_of(found, configuration, t)

    answer = Response(rows(asked.wanted), mimetype="text/csv; charset=utf-8")
    name = f"calls-{t.local(instant):%Y-%m-%d}.csv"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
