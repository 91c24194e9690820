"""Puts a page together: its template with the frame around it, or one piece of it for a page that asks."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from functools import cache
from importlib import resources

from flask import Flask, current_app, g, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response as AnyResponse

from console.access import keys
from console.access.roles import May
from console.web.context import house, words


@dataclass(frozen=True)
class Door:
    """One entry of the navigation: the area's name, its first page, and the right it needs."""

    name: str
    endpoint: str
    may: May


# In the order in which they are shown. Whoever has not the right does not see the entry.
DOORS = (
    Door("tonight", "tonight.home", May.SEE),
    Door("duty", "duty.mine", May.DUTY),
    Door("calls", "calls.index", May.SEE),
    Door("cases", "cases.index", May.SEE),
    Door("customers", "customers.index", May.SEE),
    Door("pins", "pins.index", May.SEE),
    Door("rota", "rota.month", May.SEE),
    Door("technicians", "technicians.index", May.SEE),
    Door("hours", "hours.year", May.SEE),
    Door("rehearse", "rehearse.index", May.REHEARSE),
    Door("reports", "reports.index", May.REPORTS),
    Door("prompts", "prompts.index", May.PROMPTS),
    Door("settings", "settings.index", May.SETTINGS),
    Door("users", "users.index", May.USERS),
    Door("audit", "audit.index", May.AUDIT),
)


def page(template: str, **shown: object) -> str:
    """A whole page."""
    return render_template(template, **shown)


def is_fragment() -> bool:
    """Whether the browser asks for a piece of a page it already shows."""
    return request.headers.get("HX-Request") == "true" and not request.headers.get("HX-Boosted")


def to(endpoint: str, said: str = "", /, **values: object) -> AnyResponse:
    """After an act: on to a page, which says what was done: "cases.taken" is the text `said-taken` of the
    area `cases`.
    """
    if said:
        values["m"] = said
    return redirect(url_for(endpoint, **values), 303)  # type: ignore[arg-type]


def said() -> str:
    """What the page says of the act that led to it: only a text of ours with no place in it."""
    area, _, key = request.args.get("m", "").partition(".")
    name = f"{area}.said-{key}"
    return words()(name) if name in words() else ""


def error_page(name: str) -> str:
    return render_template("error.html", title=words()(f"error.{name}-title"), text=words()(f"error.{name}"))


def doors() -> list[Door]:
    """The navigation of whoever asks."""
    if g.get("session") is None:
        return []
    built = current_app.view_functions
    return [door for door in DOORS if door.endpoint in built and g.session.user.may(door.may)]


def furnish(app: Flask) -> None:
    """Give every template what all of them use."""

    @app.context_processor
    def everywhere() -> dict[str, object]:
        session = g.get("session")
        return {
            "t": g.words,
            "words": g.words,
            "now": g.at,
            "me": session.user if session else None,
            "service": house().configuration.service,
            "doors": doors(),
            "views": current_app.view_functions,
            "here": (request.endpoint or "").partition(".")[0],
            "said": said(),
            "form_token": form_token,
            "fields": fields,
            "once": once,
            "asset": asset,
            "may": lambda what: session is not None and session.user.may(what),
        }

    @app.template_filter("at")
    def instant(value: object) -> str:
        """For the `datetime` of a <time>."""
        return value.isoformat(timespec="seconds") if hasattr(value, "isoformat") else ""


def asset(name: str) -> str:
    """The address of a file of static/. It changes with the file, so that browsers may keep it."""
    return url_for("static", filename=name, v=_version(name))


@cache
def _version(name: str) -> str:
    content = (resources.files("console.web") / "static" / name).read_bytes()
    return hashlib.sha256(content).hexdigest()[:12]


def form_token() -> str:
    """The token of the forms of this page. A visitor without a cookie gets one with the answer."""
    if not g.get("visitor"):
        g.visitor = g.new_visitor = secrets.token_urlsafe(24)
    return keys.form_token(house().configuration, g.visitor)


def fields() -> Markup:
    """What every form carries."""
    return Markup('<input type="hidden" name="form-token" value="{}">').format(form_token())


def once() -> Markup:
    """What a form carries that must not be done twice: see `context.writing`."""
    return Markup('<input type="hidden" name="once" value="{}">').format(secrets.token_urlsafe(18))
