"""One's own account: role, language, password, second factor, recovery codes, sessions.

What would let somebody in for good is changed only by whoever proves again who he is. Failures of that count
as those of a login do.
"""

from __future__ import annotations

from flask import redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from console.access import login, passwords, sessions, users
from console.access.login import CodeWrong, LoginRefused
from console.access.passwords import Busy, PasswordRefused
from console.access.roles import May
from console.access.users import UserRefused
from console.web.area import Area
from console.web.context import at, house, reading, session, user, words, writing
from console.web.pages.login import in_fours, qr_code
from console.web.render import page, to
from console.web.shown import account as shown

area = Area("account")
Answer = AnyResponse | str | tuple[str, int]


@area.page("/account", May.OWN)
def index() -> str:
    with reading() as connection:
        found = shown.gather(connection, at(), session())
    return page("account/index.html", account=found, languages=users.LANGUAGES)


@area.page("/account/language", May.OWN, post=True)
def speak() -> AnyResponse:
    try:
        with writing() as connection:
            users.speak(connection, user(), request.form.get("language") or None)
    except UserRefused:
        raise NotFound from None
    return to("account.index", "account.language")


# -- password ------------------------------------------------------------------------------------


@area.page("/account/password", May.OWN)
def password() -> str:
    _has_password()
    return _form("password")


@area.page("/account/password", May.OWN, post=True)
def change_password() -> Answer:
    _has_password()
    new = request.form.get("new", "")
    try:
        passwords.check_new(new, user().name, house().configuration.service.name)
        if new != request.form.get("again", ""):
            raise PasswordRefused("again")
        if new == request.form.get("password", ""):
            raise PasswordRefused("same")
        _confirm()
        login.change_password(house(), at(), user(), session().id, new)
    except PasswordRefused as refused:
        return _form("password", wrong=refused.why), 422
    except (LoginRefused, Busy) as refused:
        return _refused("password", refused)
    return to("account.index", "account.password")


# -- second factor -------------------------------------------------------------------------------


@area.page("/account/factor", May.OWN)
def factor() -> str:
    _has_password()
    return _form("factor")


@area.page("/account/factor", May.OWN, post=True)
def new_factor() -> Answer:
    """Whoever has proved who he is sees the new key. Nothing is changed until its code is here."""
    _has_password()
    try:
        _confirm()
    except (LoginRefused, Busy) as refused:
        return _refused("factor", refused)
    return _new_factor(login.factor_ticket(house(), at(), user(), session().id))


@area.page("/account/factor/prove", May.OWN, post=True)
def prove_factor() -> Answer:
    ticket = request.form.get("ticket", "")
    secret = login.factor_of(house(), at(), user(), session().id, ticket)
    if secret is None:
        return _form("factor", refused=words()("account.refused-late")), 422
    try:
        login.change_factor(house(), at(), user(), session().id, secret, request.form.get("code", ""))
    except CodeWrong:
        return _new_factor(ticket, words()("login.refused-code")), 422
    return to("account.index", "account.factor")


def _new_factor(ticket: str, refused: str = "") -> str:
    secret = login.factor_of(house(), at(), user(), session().id, ticket) or ""
    address = login.address_of_factor(house(), user(), secret)
    return page(
        "account/new_factor.html",
        ticket=ticket,
        secret=in_fours(secret),
        address=address,
        picture=qr_code(address),
        refused=refused,
    )


# -- recovery codes ------------------------------------------------------------------------------


@area.page("/account/codes", May.OWN)
def codes() -> str:
    _has_password()
    return _form("codes")


@area.page("/account/codes", May.OWN, post=True)
def new_codes() -> Answer:
    """The codes stand in this answer and nowhere else."""
    _has_password()
    try:
        _confirm()
    except (LoginRefused, Busy) as refused:
        return _refused("codes", refused)
    with writing() as connection:
        made = login.renew_recovery_codes(connection, house(), at(), user())
    return page("login/codes.html", codes=made, onward=url_for("account.index"))


# -- sessions ------------------------------------------------------------------------------------


@area.page("/account/sessions/<int:session_id>/end", May.OWN, post=True)
def end_session(session_id: int) -> AnyResponse:
    with writing() as connection:
        if not sessions.end(connection, at(), user(), session_id):
            raise NotFound
    return to("account.index", "account.session")


@area.page("/account/sessions/end-others", May.OWN, post=True)
def end_others() -> AnyResponse:
    with writing() as connection:
        users.end_sessions(connection, at(), user().id, but=session().id)
    return to("account.index", "account.sessions")


# -- small parts ---------------------------------------------------------------------------------


def _has_password() -> None:
    """Whoever comes in by the identity provider has nothing of this kind here. Raises NotFound."""
    if user().by_provider:
        raise NotFound


def _confirm() -> None:
    """Raises LoginRefused, Busy."""
    login.confirm(house(), at(), user(), request.form.get("password", ""), request.form.get("code", ""))


def _form(name: str, wrong: str = "", refused: str = "") -> str:
    """`wrong` is why the new password is refused."""
    key = "account.refused-same" if wrong == "same" else f"login.refused-{wrong}"
    return page(
        f"account/{name}.html",
        wrong=words()(key, n=passwords.SHORTEST) if wrong else "",
        which="again" if wrong == "again" else "new",
        refused=refused,
        shortest=passwords.SHORTEST,
    )


def _refused(name: str, why: LoginRefused | Busy) -> Answer:
    """Not proved. Ten failures close the account and end this session, too."""
    if isinstance(why, Busy):
        return _form(name, refused=words()("login.busy")), 503
    with reading() as connection:
        open_still = any(each.id == session().id for each in sessions.open_sessions(connection, at(), user()))
    if not open_still:
        return redirect(url_for("login.form"), 303)
    return _form(name, refused=words()("account.refused")), 422
