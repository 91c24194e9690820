"""Calendar feeds: `/cal/TOKEN.ics`, for the calendar on a technician's phone or the office's wall."""

from __future__ import annotations

import hashlib
import logging
from urllib.parse import urlsplit

from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from console.house import Clock, House
from console.public.guard import guarded
from console.public.wording import Words, preferred
from oncall import people
from oncall.calendars import feeds
from oncall.calendars.calendar import Turn, write
from oncall.calendars.feeds import Feed, Shown

security = logging.getLogger("ivr.security")


def calendar_feeds(house: House, clock: Clock) -> Blueprint:
    """The feeds. Nothing in them says why somebody has a turn, nor anything of a customer."""
    blueprint = Blueprint("calendar", __name__, template_folder="templates")
    languages = house.configuration.service.languages
    host = urlsplit(house.configuration.service.public_url).hostname or "localhost"

    @blueprint.get("/cal/<token>.ics")
    def feed(token: str) -> Response:
        at = clock()
        with house.database.read() as connection:
            found = feeds.find(connection, at, token)
            if found is None:
                security.warning("a calendar was asked for that is unknown or was revoked")
                raise NotFound
            shown = feeds.shown(connection, at, found)
            named = {each.key: each for each in people.all_technicians(connection)}
        reader = named.get(found.technician or "")
        words = preferred(reader.language if reader else None, languages)
        names = {key: person.name for key, person in named.items()}
        content = write(
            shown.turns,
            name=_name(found, names, words),
            host=host,
            changed_at=shown.changed_at,
            summaries=_summaries(found, shown, names, words),
            zones=shown.zones,
        )
        response = Response(content, content_type="text/calendar; charset=utf-8")
        response.set_etag(hashlib.sha256(content).hexdigest()[:32])
        response.make_conditional(request)
        return response

    return guarded(blueprint, house, cache="private, no-cache")


def _name(feed: Feed, names: dict[str, str], words: Words) -> str:
    if feed.technician is None:
        return str(words.feed["of-rota"]).replace("{rota}", feed.rota or "")
    return str(words.feed["of-technician"]).replace("{name}", names.get(feed.technician, feed.technician))


def _summaries(feed: Feed, shown: Shown, names: dict[str, str], words: Words) -> dict[Turn, str]:
    """What each turn is called: for a technician by its rung, on a rota's calendar by who has it."""
    several = len({turn.rota for turn in shown.turns}) > 1
    pattern = str(words.feed["mine" if feed.technician is not None else "theirs"])
    found: dict[Turn, str] = {}
    for turn in shown.turns:
        text = pattern.replace("{level}", words.level(turn.rung))
        text = text.replace("{name}", names.get(turn.technician, turn.technician))
        found[turn] = f"{text} ({turn.rota})" if several else text
    return found
