"""Who comes in, and what every answer carries. Runs before and after every page of the console.

Denied unless granted: an endpoint that named no right is refused to everybody. Forms are believed only with
the token that belongs to the visitor's cookie, and only from this very address.

Cookies. Behind https (`[console] address`) they are called `__Host-…` and are Secure. Without it the console
serves this machine alone, over plain http, where browsers do not agree on whether a Secure cookie can be
set: there they have plain names, and requests for any other host name are refused, so that no foreign page
can reach the console by a name of its own. Both are SameSite=Strict: a link in an e-mail brings neither, so
whoever follows one is led on once more from a page of ours (`login/arrive.html`), with them.
"""

from __future__ import annotations

import hmac
import logging
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from flask import Flask, Response, g, redirect, request, url_for
from sqlalchemy.exc import DataError, SQLAlchemyError
from werkzeug.exceptions import BadRequest, Forbidden, HTTPException, NotFound
from werkzeug.wrappers import Response as AnyResponse

from console.access import keys, sessions
from console.access.sessions import SEEN_EVERY
from console.arrived import arrived
from console.house import Clock, House
from console.settings import Configuration
from console.web.area import is_polled, right_of
from console.web.context import SentBefore
from console.web.render import error_page, page
from console.web.words import words

log = logging.getLogger("ivr")
security = logging.getLogger("ivr.security")

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
        "media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}
# What has no visitor: files, and what machines ask, each with a rule of its own.
OF_MACHINES = ("static", "healthz", "metrics")
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
# So many fields a form may have: taking it apart costs many times its bytes.
MOST_FIELDS = 2000
# Rows have numbers up to this.
LARGEST_ID = 2**31 - 1
# A file of ours, by the address that changes with it.
KEPT = "private, max-age=31536000, immutable"


class Cookies:
    """Names and attributes of the console's cookies: the session, what a visitor's forms go by, and what is
    carried to an identity provider and back. That one alone is not strict: the way back begins elsewhere.
    """

    def __init__(self, configuration: Configuration) -> None:
        self.secure = configuration.console.address.startswith("https://")
        prefix = "__Host-" if self.secure else ""
        self.session, self.visitor = f"{prefix}ivr-session", f"{prefix}ivr-visitor"
        self.carried = f"{prefix}ivr-carried"

    def set(self, response: AnyResponse, name: str, value: str) -> None:
        response.set_cookie(
            name, value, httponly=True, secure=self.secure, samesite="Strict", path="/", max_age=None
        )

    def carry(self, response: AnyResponse, ticket: str, lasts: timedelta | None) -> None:
        """For so long; None: no longer."""
        response.set_cookie(
            self.carried,
            ticket,
            httponly=True,
            secure=self.secure,
            samesite="Lax",
            path="/",
            max_age=lasts or 0,
        )

    def drop(self, response: AnyResponse, name: str) -> None:
        response.delete_cookie(name, httponly=True, secure=self.secure, samesite="Strict", path="/")


def guard(app: Flask, house: House, clock: Clock, longest_of_stranger: int) -> Cookies:
    """Put the guard before all of the app's pages. Who has not logged in may send so many bytes."""
    configuration = house.configuration
    cookies = Cookies(configuration)
    own = urlsplit(configuration.console.address)
    languages = configuration.service.languages

    @app.before_request
    def let_in() -> AnyResponse | None:
        g.at = clock()
        g.session = None
        g.cookies = cookies
        g.words = words(request.accept_languages.best_match(languages) or languages[0], configuration.zone)
        _check_host(own.netloc)
        endpoint = request.endpoint
        if endpoint in OF_MACHINES:
            return None
        g.visitor = request.cookies.get(cookies.session) or request.cookies.get(cookies.visitor)
        _find_session(house, g.at, request.cookies.get(cookies.session, ""))
        if g.session is not None:
            language = g.session.user.language or languages[0]
            g.words = words(language, configuration.zone)
        else:
            request.max_content_length = longest_of_stranger
        if request.method == "POST":
            _check_size()
            _check_form(configuration)
        _check_values()
        if endpoint is None:
            return None  # 404 or 405, told by Flask
        try:
            needed = right_of(endpoint)
        except KeyError:
            log.error("%s names no right and is refused to everybody", endpoint)
            raise Forbidden from None
        if needed is None:
            return None
        if g.session is None:
            return _to_login()
        if not g.session.user.may(needed):
            security.warning("user %s has no right to %s", g.session.user.name, endpoint)
            raise Forbidden
        if not is_polled(endpoint) and g.at - g.session.seen_at >= SEEN_EVERY:
            _note_seen(house, g.at)
        return None

    @app.after_request
    def headers(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if cookies.secure:
            response.headers["Strict-Transport-Security"] = "max-age=31536000"
        if request.endpoint != "static":
            response.headers.setdefault("Cache-Control", "no-store")
        elif "v" in request.args and response.status_code in (200, 304):
            response.headers["Cache-Control"] = KEPT
        if g.get("new_visitor"):
            cookies.set(response, cookies.visitor, g.new_visitor)
        return response

    @app.errorhandler(SentBefore)
    def sent_before(error: SentBefore) -> tuple[str, int]:
        return error_page("sent-before"), 409

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> AnyResponse | tuple[str, int]:
        if error.response is not None:
            return error.get_response()
        code = error.code or 500
        return error_page(
            {400: "bad", 403: "forbidden", 404: "not-found", 413: "large"}.get(code, "bad")
        ), code

    @app.errorhandler(DataError)
    @app.errorhandler(OverflowError)
    def out_of_range(error: Exception) -> tuple[str, int]:
        """A number or an instant that neither the database nor the calendar has."""
        log.warning("%s was given a value out of range", request.endpoint, exc_info=error)
        return error_page("bad"), 400

    @app.errorhandler(Exception)
    def failed(error: Exception) -> tuple[str, int]:
        log.error("%s failed", request.endpoint, exc_info=error)
        return error_page("failed"), 500

    return cookies


def own_address() -> str:
    """Under which the console is reached: as configured, else as whoever asks reaches this machine."""
    from console.web.context import house

    return house().configuration.console.address or f"http://{request.host}"


def client_address() -> str:
    """Where the request came from, as the listener saw it. What a proxy says is not believed."""
    return request.remote_addr or ""


def _check_host(own: str) -> None:
    """Refuses every name of ours that is not ours. Raises BadRequest."""
    host = request.host.lower()
    if own:
        fits = host == own.lower()
    else:
        name, port = host, "80"
        if not host.endswith("]") and ":" in host:
            name, _, port = host.rpartition(":")
        fits = name in LOOPBACK and port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536
    if not fits and request.endpoint not in OF_MACHINES[1:]:
        security.warning("the console was asked for under another name")
        raise BadRequest


def _find_session(house: House, at: datetime, token: str) -> None:
    if not token:
        return
    with house.database.read() as connection:
        g.session = sessions.find(connection, at, token)
    if g.session is None:
        # The cookie of a session that has ended: forms of the login page go by a new one.
        g.visitor = request.cookies.get(g.cookies.visitor)


def _note_seen(house: House, at: datetime) -> None:
    try:
        with house.database.write() as connection:
            sessions.seen(connection, at, g.session)
    except SQLAlchemyError as error:
        log.warning("a session was not noted as seen: %s", type(error).__name__)


def _check_size() -> None:
    """Raises BadRequest for a form of more fields than any page has, before it is taken apart; and for one
    that did not arrive whole.
    """
    if (
        request.mimetype == "application/x-www-form-urlencoded"
        and arrived(request.get_data).count(b"&") >= MOST_FIELDS
    ):
        security.warning("a form had too many fields")
        raise BadRequest
    arrived(lambda: request.form)


def _check_values() -> None:
    """No database takes a NUL, nor a number beyond its own. Raises BadRequest, NotFound."""
    for value in (request.view_args or {}).values():
        if (isinstance(value, int) and value > LARGEST_ID) or "\0" in str(value):
            raise NotFound
    if any("\0" in value for values in request.form.listvalues() for value in values):
        raise BadRequest


def _check_form(configuration: Configuration) -> None:
    """Raises Forbidden: the form comes from elsewhere, or its token is not this visitor's."""
    origin = request.headers.get("Origin")
    if origin is not None and origin.lower() != own_address().lower():
        security.warning("a form was sent from another address")
        raise Forbidden
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        security.warning("a form was sent from another site")
        raise Forbidden
    given = request.headers.get("X-Form-Token") or request.form.get("form-token", "")
    cookies = [g.visitor]
    if _is_open(request.endpoint):
        # The page was shown to a stranger, whose browser had not sent the cookie of a session.
        cookies.append(request.cookies.get(g.cookies.visitor))
    expected = [keys.form_token(configuration, cookie) for cookie in cookies if cookie]
    if not any(hmac.compare_digest(given.encode("utf-8", "replace"), each.encode()) for each in expected):
        security.warning("a form came without its token")
        raise Forbidden


def _is_open(endpoint: str | None) -> bool:
    try:
        return endpoint is not None and right_of(endpoint) is None
    except KeyError:
        return False


def _to_login() -> AnyResponse:
    """To the login, and back to where one wanted to go. A piece of a page is told to load anew."""
    if request.headers.get("HX-Request"):
        return Response("", 204, {"HX-Redirect": url_for("login.form")})
    if request.headers.get("Sec-Fetch-Site") == "cross-site" and request.method == "GET":
        return led_on(local_path(request.full_path.rstrip("?")))
    wanted = request.full_path.rstrip("?") if request.method == "GET" and request.path != "/" else None
    return redirect(url_for("login.form", next=wanted), 303)


def led_on(address: str) -> Response:
    """A page that leads on by itself. What it leads to is then asked for by a page of ours: unlike with a
    redirect, the cookies come along, and form-action does not count it as where a form was sent.
    """
    return Response(page("login/arrive.html", onward=address), mimetype="text/html")


def local_path(wanted: str | None) -> str:
    """A path of this console, or the home page for anything else: `//evil`, `/\\evil`, an address."""
    if wanted and wanted.startswith("/") and wanted[1:2] not in ("/", "\\") and wanted.isprintable():
        return wanted
    return "/"
