"""Coming in and going out: the login, the link by which a new user sets himself up, one-time links."""

from __future__ import annotations

import io

import segno
from flask import Response, g, redirect, request, url_for
from markupsafe import Markup
from werkzeug.exceptions import Gone
from werkzeug.wrappers import Response as AnyResponse

from console.access import keys, login, passwords, sessions, users
from console.access.login import CodeWrong, LoginRefused
from console.access.passwords import PasswordRefused
from console.access.roles import May
from console.access.users import User, UserRefused
from console.web.area import Area
from console.web.context import at, house, user, words, writing
from console.web.guard import client_address, local_path
from console.web.render import page

area = Area("login")


@area.page("/login", None)
def form() -> AnyResponse | str:
    if g.session is not None:
        return redirect(local_path(request.args.get("next")), 303)
    return login_page(request.args.get("next", ""))


@area.page("/login", None, post=True)
def log_in() -> AnyResponse | tuple[str, int]:
    given = request.form
    try:
        who = login.log_in(
            house(), at(), given.get("name", ""), given.get("password", ""), given.get("code", "")
        )
    except (LoginRefused, passwords.Busy) as refused:
        busy = isinstance(refused, passwords.Busy)
        said = words()("login.busy" if busy else "login.refused")
        return login_page(given.get("next", ""), given.get("name", "")[:64], said), 503 if busy else 403
    return _come_in(who, local_path(given.get("next")))


@area.page("/logout", May.OWN, post=True)
def log_out() -> AnyResponse:
    with writing() as connection:
        sessions.end(connection, at(), user(), g.session.id)
    response = redirect(url_for("login.form"), 303)
    g.cookies.drop(response, g.cookies.session)
    return response


def login_page(wanted: str = "", name: str = "", refused: str = "") -> str:
    """`wanted` is where to go afterwards."""
    provider = bool(house().configuration.console.oidc_issuer)
    return page("login/login.html", wanted=wanted, name=name, refused=refused, provider=provider)


# -- links that are good once --------------------------------------------------------------------


@area.page("/welcome/<token>", None)
def welcome(token: str) -> str:
    return _welcome(token, _link_user(token))


@area.page("/welcome/<token>", None, post=True)
def set_up(token: str) -> AnyResponse | tuple[str, int]:
    who = _link_user(token)
    password = request.form.get("password", "")
    if password != request.form.get("again", ""):
        return _welcome(token, who, "again"), 422
    try:
        who, codes = login.set_up(house(), at(), token, password, request.form.get("code", ""))
    except PasswordRefused as refused:
        return _welcome(token, who, refused.why), 422
    except CodeWrong:
        return _welcome(token, who, "code"), 422
    except passwords.Busy:
        return _welcome(token, who, "busy"), 503
    except UserRefused:
        raise Gone from None
    response = Response(page("login/codes.html", codes=codes, onward="/"), mimetype="text/html")
    return begin_session(who, response)


@area.page("/enter/<token>", None)
def enter(token: str) -> AnyResponse:
    """A demonstration's way in. It is used up by being opened: nobody else sees the terminal it stands in."""
    with writing() as connection:
        who = users.link_user(connection, at(), token, "enter")
        if who is None or request.method != "GET" or not users.use_link(connection, at(), token):
            raise Gone
    return _come_in(who, "/")


def _link_user(token: str) -> User:
    with house().database.read() as connection:
        who = users.link_user(connection, at(), token, "welcome")
    if who is None:
        raise Gone
    return who


def _welcome(token: str, who: User, refused: str = "") -> str:
    secret = keys.new_factor(house().configuration, token)
    address = login.address_of_factor(house(), who, secret)
    return page(
        "login/welcome.html",
        who=who,
        secret=in_fours(secret),
        address=address,
        picture=qr_code(address),
        refused=words()(f"login.refused-{refused}", n=passwords.SHORTEST) if refused else "",
        shortest=passwords.SHORTEST,
    )


def in_fours(secret: str) -> str:
    """As one reads it off and types it."""
    return " ".join(secret[i : i + 4] for i in range(0, len(secret), 4))


def qr_code(text: str) -> Markup:
    """The text as a picture, black on white whatever the page's colours: some readers need it so."""
    out = io.BytesIO()
    segno.make(text, error="m").save(
        out,
        kind="svg",
        scale=5,
        border=4,
        xmldecl=False,
        svgns=True,
        light="#fff",
        svgclass="qr",
        lineclass=None,
    )
    return Markup(out.getvalue().decode())  # noqa: S704 - segno's own drawing, no text in it


# -- the session --------------------------------------------------------------------------------


def _come_in(who: User, onward: str) -> AnyResponse:
    return begin_session(who, redirect(onward, 303))


def begin_session(who: User, response: AnyResponse) -> AnyResponse:
    """A new session with a new cookie: what a visitor's forms went by before is gone."""
    with writing() as connection:
        token = sessions.begin(connection, at(), who, client_address(), request.headers.get("User-Agent", ""))
    g.cookies.set(response, g.cookies.session, token)
    g.cookies.drop(response, g.cookies.visitor)
    g.new_visitor = None
    return response
