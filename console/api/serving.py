"""One request: whose token, how often, for what; then parameters and body in, the operation, its answer out.

Nothing but the header Authorization says who asks: cookies are not looked at, no page of another site can
bring one of ours along, and no answer allows a browser's script of another site to read it.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from typing import Any

from flask import Response, g, request
from pydantic import BaseModel, TypeAdapter, ValidationError
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.datastructures import MultiDict

from console.access import tokens
from console.access.tokens import Token
from console.api.asked import Asked
from console.api.once import Once, once
from console.api.operation import Operation
from console.api.problems import Field, Problem, not_understood
from console.api.rate import Rate
from console.api.shapes.common import Shape
from console.arrived import arrived
from console.house import Clock, House

log = logging.getLogger("ivr")
security = logging.getLogger("ivr.security")

REPLAYED = "Idempotent-Replayed"
KEY = "Idempotency-Key"
LONGEST_KEY = 255
_KEY = re.compile(r"[!-~]{1,255}")


def who_asks(house: House, clock: Clock, rate: Rate) -> None:
    """Before anything else, also before it is known whether there is such an address. Raises Problem."""
    g.at = clock()
    g.token = _token(house)
    if wait := rate.wait(g.at, g.token.id):
        raise Problem(
            429,
            "too-often",
            f"this program asks too often: wait {wait} s",
            headers={"Retry-After": str(wait)},
        )


def _token(house: House) -> Token:
    """The token of the request. What is wrong with it is said in the security log alone."""
    refused = Problem(
        401,
        "token",
        "send a token that is good as `Authorization: Bearer TOKEN`",
        headers={"WWW-Authenticate": "Bearer"},
    )
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer":
        raise refused
    with house.database.read() as connection:
        found = tokens.find(connection, house.configuration, given.strip())
    if found is None:
        security.warning("a program came with a token that is none of ours")
        raise refused
    today = g.at.astimezone(house.configuration.zone).date()
    if (state := found.state(today)) != "live":
        security.warning("the program %s came with a token that is %s", found.name, state)
        raise refused
    if found.last_used != today:
        _note_seen(house, found, given.strip())
    return found


def _note_seen(house: House, token: Token, given: str) -> None:
    """Whoever only reads is not kept waiting by a database that cannot be written."""
    try:
        with house.database.write() as connection:
            tokens.seen(connection, g.at, house.configuration, token, given)
    except SQLAlchemyError as error:
        log.warning("a token was not noted as used: %s", type(error).__name__)


def view(house: House, operation: Operation) -> Callable[..., Response]:
    """What serves an operation."""

    def serve(**places: str) -> Response:
        token: Token = g.token
        if operation.scope not in token.scopes:
            security.warning("the program %s has no right to %s", token.name, operation.name)
            raise Problem(
                403,
                "scope",
                f"this token may not do that: it needs {operation.scope}",
                headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{operation.scope}"'},
            )
        given: dict[str, Any] = {
            name: _place(adapter, places[name]) for name, adapter in operation.places.items()
        }
        query = _query(operation.query)
        if query is not None:
            given["query"] = query
        if operation.body is not None:
            given["body"] = _body(operation.body, needed=operation.body_needed)
        asked = Asked(house, g.at, token, operation.status, _once(operation, token))
        return told(operation.status, _do(operation, asked, given).told())

    return serve


def _do(operation: Operation, asked: Asked, given: dict[str, Any]) -> Shape:
    if not operation.connected:
        return operation.act(asked, **given)
    if operation.writes:
        return asked.write(lambda connection: operation.act(asked, connection=connection, **given))
    with asked.house.database.read() as connection:
        return operation.act(asked, connection=connection, **given)


def told(status: int, answer: dict[str, Any], mimetype: str = "application/json") -> Response:
    return Response(json.dumps(answer, ensure_ascii=False) + "\n", status, mimetype=mimetype)


# -- what came in ------------------------------------------------------------------------------


def _place(adapter: TypeAdapter[Any], text: str) -> Any:
    """A place of the path. Whatever cannot be one leads to nothing: raises Problem, 404."""
    nothing = Problem(404, "not-found", "there is nothing at this address")
    if adapter.json_schema().get("type") == "integer":
        if not re.fullmatch("[1-9][0-9]{0,9}", text):
            raise nothing
        return _checked(adapter, int(text), nothing)
    return _checked(adapter, text, nothing)


def _checked(adapter: TypeAdapter[Any], value: object, nothing: Problem) -> Any:
    try:
        return adapter.validate_python(value, strict=True)
    except ValidationError:
        raise nothing from None


def _query(model: type[BaseModel] | None) -> BaseModel | None:
    sent: MultiDict[str, str] = request.args
    twice = [name for name, values in sent.lists() if len(values) > 1]
    if twice:
        raise Problem(422, "fields", "a parameter is given twice", [Field(name, "twice") for name in twice])
    if model is None:
        if sent:
            raise Problem(
                422, "fields", "no parameter is known here", [Field(name, "is not known") for name in sent]
            )
        return None
    try:
        # As JSON: days and instants are read as those of a body.
        return model.model_validate_json(json.dumps(sent.to_dict()))
    except ValidationError as error:
        raise not_understood(error) from None


def _body(model: type[BaseModel], *, needed: bool) -> BaseModel:
    """Raises Problem: 400, 415, 422; RequestEntityTooLarge."""
    sent = arrived(request.get_data)
    if not sent and not needed:
        sent = b"{}"
    elif request.mimetype != "application/json":
        raise Problem(
            415, "not-json", "send the body as application/json", headers={"Accept-Post": "application/json"}
        )
    try:
        return model.model_validate_json(_one_of_each(sent))
    except ValidationError as error:
        raise not_understood(error) from None


def _one_of_each(sent: bytes) -> bytes:
    """JSON in UTF-8 in which nothing stands twice, and no number that is none. Raises Problem, 400."""

    def check(pairs: list[tuple[str, object]]) -> dict[str, object]:
        names = [name for name, _ in pairs]
        if len(set(names)) != len(names):
            raise ValueError("a field stands twice")
        return dict(pairs)

    def refuse(text: str) -> None:
        raise ValueError(f"{text} is no number")

    try:
        json.loads(sent.decode("utf-8"), object_pairs_hook=check, parse_constant=refuse)
    except (ValueError, RecursionError):
        raise Problem(400, "not-json", "the body is not JSON, or names a field twice") from None
    return sent


def _once(operation: Operation, token: Token) -> Once | None:
    """Raises Problem, 400."""
    key = request.headers.get(KEY)
    if key is None or operation.method != "POST":
        return None
    if not _KEY.fullmatch(key):
        raise Problem(
            400,
            "key",
            f"an {KEY} has 1 to {LONGEST_KEY} letters, digits and signs, no blanks",
            [Field(KEY, "is not as it must be")],
        )
    return once(token.id, key, operation.name.encode(), request.path.encode(), request.get_data())
