"""Cases, as `ivr case show --json` tells them, and what is done to them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from console.api.shapes.common import Code, Given, Key, Next, Pages, Shape, Text
from oncall.cases.case_log import LONGEST_TEXT
from oncall.cases.closing import MOST_MINUTES

Number = Annotated[
    str, Field(pattern=r"^[0-9]{4}-[0-9]{1,9}$", description="A case's permanent number, such as 2026-00412.")
]
Has = Annotated[
    Key | None,
    Field(
        description="Who has the case as far as you know (`taken_by`); null: nobody. If that has changed, "
        "nothing is done and the answer is 409."
    ),
]
Words = Annotated[Text, Field(min_length=1, max_length=LONGEST_TEXT)]


class CasePages(Pages):
    """Which cases."""

    state: Literal["open", "closed", "all"] = Field(
        default="all", description="`open` ones come in the order in which somebody has to see to them."
    )
    customer: Code | None = None
    code: Annotated[str, Field(pattern=r"^[0-9]{4}$")] | None = Field(
        default=None, description="The spoken code; used again after a while."
    )


class Taking(Given):
    """Who takes the case."""

    technician: Key
    has: Has = None


class Closing(Given):
    """How the case ended. A prepaid package pays its minutes first."""

    outcome: Words
    minutes: Annotated[int, Field(ge=0, le=MOST_MINUTES, description="Minutes worked.")]
    has: Has = None


class NewNote(Given):
    """Something to be written down."""

    text: Words


class AttemptShown(Shape):
    """A technician's phone was rung."""

    at: AwareDatetime | None
    technician: str
    result: Literal["accepted", "connected", "declined", "no-answer", "busy", "failed", "unconfirmed"] | None


class CaseShown(Shape):
    """An accepted emergency. `verified`: its caller keyed a PIN. `due`: by when somebody is to have it."""

    number: str
    code: str
    customer: str | None
    verified: bool
    rota: str
    urgency: str | None
    opened: AwareDatetime | None
    due: AwareDatetime | None
    taken_by: str | None
    taken_at: AwareDatetime | None
    taken_via: str | None
    connected_at: AwareDatetime | None
    breached_at: AwareDatetime | None
    closed_at: AwareDatetime | None
    closed_by: str | None
    final_urgency: str | None
    merged_into: str | None
    outcome: str | None
    minutes: int | None
    billable: bool
    attempts: list[AttemptShown]


class CallOfCase(Shape):
    """A call about the case."""

    at: AwareDatetime | None
    sid: str
    caller: str | None = Field(serialization_alias="from")
    outcome: str | None


class EntryShown(Shape):
    """Something that was done."""

    at: AwareDatetime | None
    actor: str
    act: str
    text: str


class CaseTold(CaseShown):
    """A case with its calls and everything that was done."""

    calls: list[CallOfCase]
    log: list[EntryShown]


class CasePage(Shape):
    """Some of the cases."""

    cases: list[CaseShown]
    next: Next
