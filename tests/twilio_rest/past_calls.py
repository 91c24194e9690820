"""The part of the stand-in that remembers calls and recordings, as `console/phone` played them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from werkzeug.wrappers import Response

from console.phone.call import CallerCall
from console.phone.events import Answered, HungUp, Missed, Rang, Recorded
from twilio_rest.account import API, BELOW, paged
from twilio_rest.server import UNKNOWN, Asked, Refusal, Route

SOUND = b"ID3 a message"


@dataclass
class PastCalls:
    """What Twilio remembers. `sounds` are the recordings that can be fetched."""

    account: str
    calls: list[dict[str, Any]] = field(default_factory=list)
    recordings: list[dict[str, Any]] = field(default_factory=list)

    def remember(self, call: CallerCall) -> None:
        """Write down a call that the telephone played, its legs and recordings; again when it has gone on."""
        self.calls = [c for c in self.calls if call.sid not in (c["sid"], c["parent_call_sid"])]
        self.recordings = [r for r in self.recordings if r["call_sid"] != call.sid]
        ends = [each.at for each in call.events if isinstance(each, HungUp) and each.party == call.party]
        ended = ends[-1] if ends else None
        self.add(call.sid, call.from_, call.to, call.began, ended, status=call.status)
        legs: list[tuple[str, datetime, datetime | None]] = []
        for event in call.events:
            match event:
                case Rang(at, phone):
                    legs.append((phone, at, None))
                case Answered(at, phone):
                    legs[-1] = (phone, legs[-1][1], at)
                case Missed(at, phone, why):
                    self._leg(call, len(legs), phone, legs[-1][1], None, at, why)
                case HungUp(at, party) if legs and party == legs[-1][0]:
                    self._leg(call, len(legs), party, legs[-1][1], legs[-1][2], at, "completed")
                case Recorded(at, _, seconds) if seconds:
                    self.record(call.sid, seconds, at)
                case _:
                    pass

    def _leg(
        self,
        call: CallerCall,
        place: int,
        phone: str,
        began: datetime,
        answered: datetime | None,
        ended: datetime,
        status: str,
    ) -> None:
        seconds = int((ended - answered).total_seconds()) if answered else 0
        sid = f"CA{hash((call.sid, place)) & (2**127 - 1):032x}"
        self.add(sid, call.to, phone, began, ended, status=status, parent=call.sid, seconds=seconds)

    def add(
        self,
        sid: str,
        from_: str,
        to: str,
        began: datetime,
        ended: datetime | None,
        *,
        status: str = "completed",
        parent: str | None = None,
        seconds: int | None = None,
    ) -> None:
        took = int((ended - began).total_seconds()) if ended and seconds is None else seconds
        self.calls.append(
            {
                "account_sid": self.account,
                "answered_by": None,
                "api_version": "2010-04-01",
                "caller_name": None,
                "date_created": format_datetime(began),
                "date_updated": format_datetime(ended or began),
                "direction": "outbound-dial" if parent else "inbound",
                "duration": None if ended is None else str(took),
                "end_time": format_datetime(ended) if ended else None,
                "forwarded_from": None,
                "from": from_,
                "from_formatted": from_,
                "group_sid": None,
                "parent_call_sid": parent,
                "phone_number_sid": None,
                "price": None,
                "price_unit": "USD",
                "queue_time": "0",
                "sid": sid,
                "start_time": format_datetime(began),
                "status": status if ended else "in-progress",
                "subresource_uris": {},
                "to": to,
                "to_formatted": to,
                "trunk_sid": None,
                "uri": f"/2010-04-01/Accounts/{self.account}/Calls/{sid}.json",
            }
        )

    def record(self, call_sid: str, seconds: int, at: datetime) -> str:
        sid = f"RE{len(self.recordings) + 1:016x}{int(at.timestamp()):016x}"
        self.recordings.append(
            {
                "account_sid": self.account,
                "api_version": "2010-04-01",
                "call_sid": call_sid,
                "channels": 1,
                "conference_sid": None,
                "date_created": format_datetime(at),
                "date_updated": format_datetime(at),
                "duration": str(seconds),
                "encryption_details": None,
                "error_code": None,
                "price": None,
                "price_unit": "USD",
                "sid": sid,
                "source": "RecordVerb",
                "start_time": format_datetime(at),
                "status": "completed",
                "subresource_uris": {},
                "uri": f"/2010-04-01/Accounts/{self.account}/Recordings/{sid}.json",
            }
        )
        return sid


def routes(past: PastCalls) -> list[Route]:
    """What it answers."""

    def sound(asked: Asked) -> Response:
        if asked.named["Sid"] not in [each["sid"] for each in past.recordings]:
            raise Refusal(*UNKNOWN)
        return Response(SOUND, content_type="audio/mpeg")

    def calls(asked: Asked) -> Any:
        parent = asked.query.get("ParentCallSid")
        wanted = [each for each in past.calls if parent in (None, each["parent_call_sid"])]
        return paged(asked, "calls", wanted)

    def forgotten(kept: list[dict[str, Any]], asked: Asked) -> Response:
        gone = [each for each in kept if each["sid"] == asked.named["Sid"]]
        if not gone:
            raise Refusal(*UNKNOWN)
        kept.remove(gone[0])
        return Response(status=204)

    return [
        # Of the day that is asked for, and later: as Twilio, it looks at days.
        Route("GET", BELOW + "Calls.json", API, calls),
        Route("DELETE", BELOW + "Calls/{Sid}.json", API, lambda asked: forgotten(past.calls, asked)),
        Route(
            "DELETE", BELOW + "Recordings/{Sid}.json", API, lambda asked: forgotten(past.recordings, asked)
        ),
        Route(
            "GET", BELOW + "Recordings.json", API, lambda asked: paged(asked, "recordings", past.recordings)
        ),
        Route("GET", BELOW + "Recordings/{Sid}.mp3", None, sound),
    ]
