"""Calls, as `ivr call show --json` tells them. A PIN is never among what was heard."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from console.api.shapes.common import Moment, Next, Pages, Shape


class CallPages(Pages):
    """Which calls: those that began from `from` up to, not including, `to`."""

    start: Moment | None = Field(default=None, alias="from")
    end: Moment | None = Field(default=None, alias="to")


class CallShown(Shape):
    """One call. `number` is the name of the number that was called, `case` the case it opened or joined."""

    sid: str
    caller: str | None = Field(serialization_alias="from")
    to: str
    number: str
    started: AwareDatetime | None
    ended: AwareDatetime | None
    outcome: str | None
    customer: str | None
    urgency: str | None
    case: str | None


class TurnShown(Shape):
    """What was heard and said; of technicians' legs, too."""

    at: AwareDatetime | None
    step: str
    heard: str
    said: list[str]


class MessageShown(Shape):
    """A message that was left; its sound is not given out here."""

    recording: str
    seconds: int


class CallTold(CallShown):
    """One call from its beginning to its end."""

    turns: list[TurnShown]
    messages: list[MessageShown]


class CallPage(Shape):
    """Some of the calls, the newest first."""

    calls: list[CallShown]
    next: Next
