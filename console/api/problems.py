"""What the interface refuses, as problem details (RFC 9457): one shape, whatever went wrong.

`REFUSALS` says what becomes of the refusals of our verbs: whoever adds one there need do nothing here, it is
answered 422; a line here gives it a better status, or names the field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from console.api.once import AnswerForgotten, KeyOfAnother
from console.case_acts import NotDone
from console.issuing import KeysUnfit
from ivr.journal import UnknownCall
from oncall.cases.cases import CaseClosed, CaseRefusal, UnknownCase
from oncall.rota.roster import RosterRefusal, UnknownOverride, UnknownRota
from pins.customers import (
    CodeTaken,
    FieldRefused,
    PhoneTaken,
    RegistryRefusal,
    UnknownCustomer,
)
from pins.registry import (
    LabelTooLong,
    PinHasEnded,
    PinReplacedAlready,
    PinRevokedAlready,
    TooManyOfThisLength,
    UnknownPin,
)

MIMETYPE = "application/problem+json"
# Before what a problem is called: a name, nothing to be looked up.
KIND = "urn:after-hours-ivr:"


class Field(NamedTuple):
    """What is wrong with a field of the body, a parameter or a header."""

    field: str
    detail: str


class Problem(Exception):
    """Nothing was done. `kind` names it for programs, `detail` says it to people."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        errors: Sequence[Field] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail = status, kind, detail
        self.errors, self.headers = tuple(errors), dict(headers or {})

    def body(self) -> dict[str, Any]:
        return {
            "type": KIND + self.kind,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "errors": [error._asdict() for error in self.errors],
        }


def not_understood(error: ValidationError, where: str = "") -> Problem:
    """Fields that are missing, unknown or not as the document says. What was sent is not repeated."""
    errors = [Field(where + _place(each), _why(each)) for each in error.errors(include_input=False)]
    few = ", ".join(dict.fromkeys(each.field for each in errors[:5]))
    return Problem(422, "fields", f"not as the document says: {few}", errors[:50])


def _place(error: ErrorDetails) -> str:
    return ".".join(str(each) for each in error["loc"]) or "body"


def _why(error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        return "is not known"
    return str(error["msg"]).removeprefix("Value error, ")


# -- refusals of our verbs ---------------------------------------------------------------------

# What NotDone names, with the field that it concerns; those that are not here are a conflict.
_NOT_DONE = {
    "technician": "there is nobody of this key in service",
    "note": "a note has 1 to 2000 characters",
    "outcome": "an outcome has 1 to 2000 characters",
    "minutes": "minutes are counted from 0 to 100000",
}


def _not_done(refused: NotDone) -> Problem:
    if refused.why in _NOT_DONE:
        return Problem(422, "fields", _NOT_DONE[refused.why], [Field(refused.why, _NOT_DONE[refused.why])])
    return Problem(409, "meanwhile", "somebody else has the case: read it again, and say in `has` who has it")


def _roster(refused: RosterRefusal) -> Problem:
    if refused.why in ("withdrawn", "swap"):
        return Problem(409, refused.why, str(refused))
    field = {
        "order": "to",
        "past": "to",
        "rung": "rung",
        "not-yet": "technician",
        "left": "technician",
        "unknown-technician": "technician",
    }.get(refused.why)
    return Problem(422, "refused", str(refused), [Field(field, str(refused))] if field else ())


def _field(refused: FieldRefused) -> Problem:
    return Problem(422, "fields", str(refused), [Field(refused.fault.field, str(refused))])


def _missing(error: Exception) -> Problem:
    return Problem(404, "not-found", str(error))


def _conflict(kind: str) -> Callable[[Any], Problem]:
    return lambda error: Problem(409, kind, str(error))


# The first that fits counts: what is special stands before what it is a kind of.
REFUSALS: tuple[tuple[type[Exception], Callable[[Any], Problem]], ...] = (
    (UnknownCustomer, _missing),
    (UnknownPin, _missing),
    (UnknownCase, _missing),
    (UnknownCall, _missing),
    (UnknownRota, _missing),
    (UnknownOverride, _missing),
    (CodeTaken, _conflict("code-taken")),
    (PhoneTaken, _conflict("phone-taken")),
    (PinRevokedAlready, _conflict("revoked")),
    (PinReplacedAlready, _conflict("replaced")),
    (PinHasEnded, _conflict("ended")),
    (TooManyOfThisLength, _conflict("too-many-pins")),
    (FieldRefused, _field),
    (LabelTooLong, lambda error: Problem(422, "fields", str(error), [Field("label", str(error))])),
    (RegistryRefusal, lambda error: Problem(422, "refused", str(error))),
    (RosterRefusal, _roster),
    (CaseClosed, _conflict("closed")),
    (CaseRefusal, lambda error: Problem(422, "refused", str(error))),
    (NotDone, _not_done),
    (KeyOfAnother, _conflict("key-of-another")),
    (AnswerForgotten, _conflict("answer-forgotten")),
    (KeysUnfit, lambda error: Problem(503, "keys", "the service's keys are not those of its PINs")),
)


def of_refusal(error: Exception) -> Problem | None:
    """What a refusal is answered; None: it is no refusal."""
    return next((told(error) for kind, told in REFUSALS if isinstance(error, kind)), None)
