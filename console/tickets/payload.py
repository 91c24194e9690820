"""What is told of one event, as a document: the webhook's body, and what the e-mail is written from.

Whoever reads it may rely on what stands here: names are never changed or taken away within a version, others
may be added. docs/ticket.schema.json is made of it by `ivr tickets schema`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Type = Literal[
    "case.opened",
    "case.taken",
    "case.passed",
    "case.let-go",
    "case.connected",
    "case.reclassified",
    "case.note",
    "case.named",
    "case.overdue",
    "case.merged",
    "case.closed",
    "case.reopened",
    "message.left",
    "test",
]
Text = Annotated[str, Field(max_length=4000)]
SCHEMA_ID = "urn:after-hours-ivr:ticket:1"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Number(_Part):
    """One of our telephone numbers."""

    number: str = Field(description="In E.164 form.")
    name: str = Field(description="As it is configured.")


class Customer(_Part):
    """Whose case it is."""

    code: str
    name: str


class Technician(_Part):
    """Somebody of the rota."""

    key: str
    name: str


class CaseNow(_Part):
    """The case as it stood when this was made, which may be later than the event."""

    number: str = Field(description="Permanent, such as 2026-00412.")
    code: str = Field(description="Four digits that customer and technician tell each other; reused later.")
    state: Literal["open", "taken", "connected", "closed", "merged"]
    verified: bool = Field(description="Whether the caller keyed a valid PIN.")
    urgency: str | None = Field(description="As it stands; null if the caller was never asked.")
    first_urgency: str | None = Field(description="As the caller stated it.")
    opened_at: datetime
    due_at: datetime | None = Field(description="By when it is to be taken in charge.")
    overdue: bool = Field(description="Whether that time passed before anybody took it.")
    taken_by: Technician | None
    taken_at: datetime | None
    connected_at: datetime | None = Field(description="When a technician first talked to the customer.")
    closed_at: datetime | None
    outcome: Text | None = Field(description="What was written when it was closed.")
    minutes: int | None = Field(description="Minutes worked.")
    merged_into: str | None = Field(description="The number of the case that goes on in its stead.")
    link: str | None = Field(description="Its page in the console, for whoever may log in there.")


class Happened(_Part):
    """What the event is about, so far as it applies; all null for a case that was opened."""

    by: str | None = Field(default=None, description="Who did it, by name; null: the service itself.")
    technician: Technician | None = Field(default=None, description="Whom it concerns.")
    via: Literal["phone", "link", "text", "hand"] | None = Field(
        default=None, description="How a case was taken."
    )
    text: Text | None = Field(default=None, description="What was written: a note, a reason, an outcome.")
    urgency_before: str | None = None
    urgency_after: str | None = None
    other_case: str | None = Field(default=None, description="The case it was merged with.")


class Message(_Part):
    """A message that a caller left."""

    recording: str
    seconds: int
    recorded_at: datetime
    link: str | None = Field(description="Where it can be listened to, for whoever may log in there.")


class Ticket(_Part):
    """One event of one ticket."""

    version: Literal[1] = 1
    id: str = Field(
        pattern=r"^msg_[0-9a-f]{32}$",
        description="The same however often this is sent: what came before with this id is to be ignored.",
    )
    type: Type
    ticket: str = Field(
        pattern=r"^(case:[0-9]{4}-[0-9]{5,}|call:CA[0-9a-f]{32}|test)$",
        description="What belongs to one ticket has this in common.",
    )
    sequence: int = Field(ge=1, description="The place among the events of this ticket, from 1.")
    occurred_at: datetime
    service: str = Field(description="The company's name.")
    subject: str = Field(description="The ticket's heading, the same for all its events.")
    text: str = Field(description="All of it in words, as an e-mail says it.")
    number: Number | None = Field(description="What was called; null if it is not known any more.")
    caller: str | None = Field(description="The caller's number; null if withheld or not known any more.")
    call_back_to: str | None = Field(description="Where he asked to be called instead.")
    customer: Customer | None = Field(description="Null for a caller without a valid PIN.")
    case: CaseNow | None = Field(description="Null for a message that belongs to no case, and for a test.")
    happened: Happened
    message: Message | None = Field(description="Only for message.left.")


def schema() -> dict[str, Any]:
    """The JSON Schema of a document."""
    made = Ticket.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **made}
