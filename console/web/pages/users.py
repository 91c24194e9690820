"""The console's users, for an admin: who may log in, as what, and what to do when somebody cannot."""

from __future__ import annotations

from collections.abc import Mapping

from flask import request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from console.access import tokens, users
from console.access.roles import May, Role
from console.access.scopes import in_order
from console.access.tokens import TokenRefused
from console.access.users import User, UserRefused
from console.web.area import Area
from console.web.context import at, house, reading, user, words, writing
from console.web.guard import own_address
from console.web.render import page, to
from console.web.shown import users as shown

area = Area("users")
Answer = AnyResponse | str | tuple[str, int]
# Which field a refusal is about; the others are about none.
_FIELDS = {
    "name": "name",
    "exists": "name",
    "full-name": "full-name",
    "role": "role",
    "oneself": "role",
    "last-admin": "role",
    "technician": "technician",
    "technician-missing": "technician",
    "language": "language",
}


@area.page("/users", May.USERS)
def index() -> str:
    after = request.args.get("after", "")[:64]
    with reading() as connection:
        found = shown.index(connection, at(), after)
    return page("users/index.html", found=found, after=after)


@area.page("/users/roles", May.USERS)
def roles() -> str:
    return page("users/roles.html", rights=shown.rights(), roles=list(Role))


# -- adding --------------------------------------------------------------------------------------


@area.page("/users/add", May.USERS)
def new() -> str:
    return _add({"role": request.args.get("role", ""), "technician": request.args.get("technician", "")})


@area.page("/users/add", May.USERS, post=True)
def add() -> Answer:
    """The link stands in this answer and nowhere else."""
    given = request.form
    try:
        with writing(once=True) as connection:
            made = users.add(
                connection,
                user().actor,
                at(),
                given.get("name", ""),
                given.get("role", ""),
                full_name=given.get("full-name", ""),
                technician=given.get("technician") or None,
                language=given.get("language") or None,
            )
            token = users.welcome(connection, at(), made)
    except UserRefused as refused:
        return _add(given, refused), 422
    return _link(made, token)


# -- tokens of programs --------------------------------------------------------------------------


@area.page("/users/tokens", May.USERS)
def programs() -> str:
    """Which other programs may ask for what. They are made on the command line alone."""
    today = at().astimezone(house().configuration.zone).date()
    with reading() as connection:
        found = [(each, each.state(today)) for each in tokens.everything(connection)]
    return page("users/tokens.html", found=found, scopes=in_order)


@area.page("/users/tokens/<int:token_id>/revoke", May.USERS, post=True)
def revoke_token(token_id: int) -> AnyResponse:
    try:
        with writing() as connection:
            known = tokens.by_id(connection, token_id)
            tokens.revoke(connection, user().actor, at(), known.name)
    except TokenRefused as refused:
        if refused.why == "unknown":
            raise NotFound from None
    return to("users.programs", "users.token-revoked")


# -- one user ------------------------------------------------------------------------------------


@area.page("/users/<int:user_id>", May.USERS)
def show(user_id: int) -> str:
    return _show(user_id)


@area.page("/users/<int:user_id>", May.USERS, post=True)
def change(user_id: int) -> Answer:
    given = request.form
    name = _name(user_id)
    try:
        with writing() as connection:
            users.change(
                connection,
                user().actor,
                at(),
                name,
                role=given.get("role", ""),
                full_name=given.get("full-name", ""),
                technician=given.get("technician") or None,
                language=given.get("language") or None,
            )
    except UserRefused as refused:
        return _show(user_id, given, refused), 422
    return to("users.show", "users.changed", user_id=user_id)


@area.page("/users/<int:user_id>/reset", May.USERS, post=True)
def reset(user_id: int) -> Answer:
    """The link stands in this answer and nowhere else."""
    name = _name(user_id)
    try:
        with writing(once=True) as connection:
            token = users.reset(connection, user().actor, at(), name)
            found = users.find(connection, name)
    except UserRefused as refused:
        return _show(user_id, None, refused), 422
    return _link(found, token)


@area.page("/users/<int:user_id>/unlock", May.USERS, post=True)
def unlock(user_id: int) -> AnyResponse:
    name = _name(user_id)
    with writing() as connection:
        users.unlock(connection, user().actor, at(), name)
    return to("users.show", "users.unlocked", user_id=user_id)


@area.page("/users/<int:user_id>/end-sessions", May.USERS, post=True)
def end_sessions(user_id: int) -> AnyResponse:
    name = _name(user_id)
    with writing() as connection:
        users.send_out(connection, user().actor, at(), name)
    return to("users.show", "users.sent-out", user_id=user_id)


@area.page("/users/<int:user_id>/remove", May.USERS, post=True)
def remove(user_id: int) -> Answer:
    name = _name(user_id)
    try:
        with writing() as connection:
            users.remove(connection, user().actor, at(), name)
    except UserRefused as refused:
        return _show(user_id, None, refused), 422
    return to("users.index", "users.removed")


# -- small parts ---------------------------------------------------------------------------------


def _name(user_id: int) -> str:
    """Raises NotFound."""
    try:
        with reading() as connection:
            return users.by_id(connection, user_id).name
    except UserRefused:
        raise NotFound from None


def _add(given: Mapping[str, str], refused: UserRefused | None = None) -> str:
    with reading() as connection:
        people = shown.employed(connection, at())
    return page("users/add.html", given=given, people=people, **_choices(refused))


def _show(user_id: int, given: Mapping[str, str] | None = None, refused: UserRefused | None = None) -> str:
    try:
        with reading() as connection:
            card = shown.card(connection, at(), user_id, user())
            people = shown.employed(connection, at(), card.line.user.technician)
    except UserRefused:
        raise NotFound from None
    who = card.line.user
    kept = {
        "full-name": who.full_name,
        "role": who.role,
        "technician": who.technician or "",
        "language": who.language or "",
    }
    return page(
        "users/show.html", card=card, who=who, given=given or kept, people=people, **_choices(refused)
    )


def _choices(refused: UserRefused | None) -> dict[str, object]:
    """What both forms offer, and what is wrong with what was sent."""
    why = words()(f"users.refused-{refused.why}") if refused else ""
    field = _FIELDS.get(refused.why, "") if refused else ""
    return {
        "roles": list(Role),
        "languages": users.LANGUAGES,
        "wrong": {field: why} if field else {},
        "refused": why,
    }


def _link(found: User, token: str) -> str:
    return page(
        "users/link.html",
        who=found,
        link=own_address() + url_for("login.welcome", token=token),
        until=at() + users.WELCOME_LASTS,
    )
