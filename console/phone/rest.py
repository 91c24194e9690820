"""The REST interface of the stand-in, as twilio's library asks it: calls and text messages, in process.

`Rest` takes the place of the library's HTTP client. The library builds its requests and reads the
answers as it always does; nothing leaves this process.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import requests

from console.phone.call import Call
from console.phone.execution import OutOfTurn
from console.phone.placed import CALL_TIMEOUT, Order, PlacedCall
from console.phone.texts import Text

if TYPE_CHECKING:
    from console.phone.exchange import Exchange

PATH = re.compile(
    r"/2010-04-01/Accounts/(?P<account>[^/]+)/(?P<kind>Calls|Messages)(?:/(?P<sid>[^/]+))?\.json"
)
E164 = re.compile(r"\+[1-9][0-9]{4,14}")
SIP = re.compile(r"sips?:[^\s@]+@\S+")
SENDER_NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}")
LANDLINE = "+390"  # Italian numbers that receive no text messages
WEB = re.compile(r"https?://[^\s/?#]+\S*")
LONGEST_TEXT = 1600
RETRY_AFTER = 2  # seconds
PAGE = 50  # Twilio: PageSize, default 50

Fault = Literal["429", "500 before", "500 after", "hang before", "hang after", "not reached"]
FAULTS: tuple[Fault, ...] = ("429", "500 before", "500 after", "hang before", "hang after", "not reached")

# Fields that may be sent. Twilio knows more; a misspelt one would be ignored without a word.
CALL_FIELDS = frozenset(
    {"To", "From", "Url", "Method", "FallbackUrl", "FallbackMethod", "Timeout"}
    | {"StatusCallback", "StatusCallbackMethod", "StatusCallbackEvent"}
)
TEXT_FIELDS = frozenset({"To", "From", "Body", "StatusCallback"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What the library gets back."""

    status_code: int
    text: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """The request is answered with an error. `code` is Twilio's."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Rest:
    """An `http_client` for twilio's library. `refused` are numbers that every request to them fails for,
    with the code it fails with; `faults` is what befalls the next requests, in turn.
    """

    def __init__(self, exchange: Callable[[], Exchange], faults: Iterable[Fault] = ()) -> None:
        self._exchange = exchange
        self.faults: deque[Fault] = deque(faults)
        self.refused: dict[str, int] = {}
        self.asked: list[tuple[str, str]] = []

    def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Answer:
        """Raises what requests raises if the network does not answer."""
        exchange = self._exchange()
        path = urlsplit(url).path
        self.asked.append((method, path))
        fault = self.faults.popleft() if self.faults else None
        match fault:
            case "429":
                return _error(Refused(429, 20429, "Too Many Requests"), {"Retry-After": str(RETRY_AFTER)})
            case "500 before":
                return _error(Refused(500, 20500, "Internal Server Error"))
            case "hang before":
                raise requests.ReadTimeout("no answer")
            case "not reached":
                raise requests.ConnectTimeout("not reached")
        try:
            answer = self._answer(exchange, method, path, params or {}, data or {}, auth)
        except Refused as refused:
            return _error(refused)
        match fault:
            case "500 after":
                return _error(Refused(500, 20500, "Internal Server Error"))
            case "hang after":
                raise requests.ReadTimeout("no answer")
        return answer

    def _answer(
        self,
        exchange: Exchange,
        method: str,
        path: str,
        params: Mapping[str, object],
        data: Mapping[str, object],
        auth: tuple[str, str] | None,
    ) -> Answer:
        if auth is None or not exchange.is_ours(*auth):
            raise Refused(401, 20003, "Authenticate")
        where = PATH.fullmatch(path)
        if where is None or where["account"] != exchange.account_sid:
            raise Refused(404, 20404, "The requested resource was not found")
        calls = where["kind"] == "Calls"
        match method.upper(), where["sid"]:
            case "POST", None if calls:
                return _json(201, _call(exchange, exchange.place(self._order(exchange, data))))
            case "POST", None:
                return _json(201, _text(exchange, self._send(exchange, data)))
            case "GET", None:
                return _json(200, _listed(exchange, where["kind"], params))
            case "GET", str(sid):
                return _json(
                    200,
                    _call(exchange, _any_call(exchange, sid))
                    if calls
                    else _text(exchange, _sent(exchange, sid)),
                )
            case "POST", str(sid) if calls:
                return _json(200, _call(exchange, _ended(_placed(exchange, sid), data)))
            case _:
                raise Refused(405, 20004, "Method not allowed")

    def _order(self, exchange: Exchange, data: Mapping[str, object]) -> Order:
        """Raises Refused as Twilio does."""
        _known(data, CALL_FIELDS)
        to, from_, url = (str(data.get(name) or "") for name in ("To", "From", "Url"))
        if not to:
            raise Refused(400, 21201, "No 'To' number is specified")
        if not from_:
            raise Refused(400, 21213, "No 'From' number is specified")
        if not (E164.fullmatch(to) or SIP.fullmatch(to)):
            raise Refused(400, 21211, "The 'To' number is not a valid phone number")
        if from_ not in exchange.owned:
            raise Refused(400, 21210, "The source phone number is not yet verified for your account")
        if not WEB.fullmatch(url):
            raise Refused(400, 21205, "Url is not a valid URL")
        for name in ("StatusCallback", "FallbackUrl"):
            if data.get(name) and not WEB.fullmatch(str(data[name])):
                raise Refused(400, 21609 if name == "StatusCallback" else 21205, f"{name} is not a valid URL")
        for name in ("Method", "StatusCallbackMethod", "FallbackMethod"):
            if data.get(name, "POST") != "POST":
                raise Refused(400, 20001, f"{name}: this telephone posts")
        self._refuse(to)
        events = data.get("StatusCallbackEvent") or ["completed"]
        return Order(
            to,
            from_,
            url,
            str(data.get("StatusCallback") or ""),
            tuple(str(event) for event in (events if isinstance(events, list | tuple) else [events])),
            int(str(data.get("Timeout") or CALL_TIMEOUT)),
            str(data.get("FallbackUrl") or ""),
        )

    def _send(self, exchange: Exchange, data: Mapping[str, object]) -> Text:
        """Raises Refused as Twilio does."""
        _known(data, TEXT_FIELDS)
        to, from_, body = (str(data.get(name) or "") for name in ("To", "From", "Body"))
        if not to:
            raise Refused(400, 21604, "A 'To' phone number is required")
        if not from_:
            raise Refused(400, 21603, "A 'From' phone number is required")
        if not body:
            raise Refused(400, 21602, "Message body is required")
        if len(body) > LONGEST_TEXT:
            raise Refused(400, 21617, "The concatenated message body exceeds the 1600 character limit")
        if not E164.fullmatch(to):
            raise Refused(400, 21211, "The 'To' number is not a valid phone number")
        if from_ not in exchange.owned and not SENDER_NAME.fullmatch(from_):
            raise Refused(400, 21606, "The 'From' phone number is not a message-capable Twilio number")
        if to.startswith(LANDLINE):
            raise Refused(400, 21614, "The 'To' number is not a mobile number")
        self._refuse(to)
        return exchange.texts.send(to, from_, body, str(data.get("StatusCallback") or ""))

    def _refuse(self, to: str) -> None:
        if to in self.refused:
            raise Refused(400, self.refused[to], "refused")


def _known(data: Mapping[str, object], fields: frozenset[str]) -> None:
    strange = sorted(data.keys() - fields)
    if strange:
        raise Refused(400, 20001, f"unknown parameters: {', '.join(strange)}")


def _placed(exchange: Exchange, sid: str) -> PlacedCall:
    found = next((call for call in exchange.placed if call.sid == sid), None)
    if found is None:
        raise Refused(404, 20404, "The requested resource was not found")
    return found


def _any_call(exchange: Exchange, sid: str) -> Call:
    """Twilio: a call that came in can be asked about like any other."""
    return next((call for call in exchange.calls if call.sid == sid), None) or _placed(exchange, sid)


def _sent(exchange: Exchange, sid: str) -> Text:
    found = next((text for text in exchange.texts.sent if text.sid == sid), None)
    if found is None:
        raise Refused(404, 20404, "The requested resource was not found")
    return found


def _ended(call: PlacedCall, data: Mapping[str, object]) -> PlacedCall:
    """Ends a call as `Status` says. Twilio: an ended one cannot be changed, error 21220."""
    match data:
        case {"Status": ("canceled" | "completed") as wanted, **rest} if not rest:
            try:
                call.end(wanted)
            except OutOfTurn:
                raise Refused(400, 21220, "Call is not in-progress") from None
            return call
        case _:
            raise Refused(400, 20001, "only Status, canceled or completed")


def _listed(exchange: Exchange, kind: str, params: Mapping[str, object]) -> dict[str, object]:
    """The newest first. Twilio looks for whole days: on or after midnight UTC of the day that is named."""
    date = {"Calls": "StartTime>", "Messages": "DateSent>"}[kind]
    _known(params, frozenset({"To", "From", "PageSize", date}))
    if kind == "Calls":
        # Told of calls that came in as well, of which ours never ask.
        rows = [_call(exchange, call) for call in exchange.placed]
        begun = [call.began for call in exchange.placed]
    else:
        rows = [_text(exchange, text) for text in exchange.texts.sent]
        begun = [text.created_at for text in exchange.texts.sent]
    since = str(params.get(date) or "")[:10]
    found = [
        row
        for row, at in zip(rows, begun, strict=True)
        if row["to"] == params.get("To", row["to"])
        and row["from"] == params.get("From", row["from"])
        and at.astimezone(UTC).date().isoformat() >= since
    ]
    size = int(str(params.get("PageSize") or PAGE))
    return {
        kind.lower(): found[::-1][:size],
        "page": 0,
        "page_size": size,
        "next_page_uri": None,
        "uri": f"/2010-04-01/Accounts/{exchange.account_sid}/{kind}.json",
    }


def _call(exchange: Exchange, call: Call) -> dict[str, object]:
    seconds, placed = None, isinstance(call, PlacedCall)
    ended_at = call.ended_at if isinstance(call, PlacedCall) else None
    if call.answered_at and ended_at:
        seconds = str(int((ended_at - call.answered_at).total_seconds()))
    return {
        "sid": call.sid,
        "account_sid": exchange.account_sid,
        "to": call.to,
        "from": call.from_,
        "direction": "outbound-api" if placed else "inbound",
        "status": call.status,
        "date_created": _date(call.began),
        "date_updated": _date(ended_at or call.began),
        "start_time": _date(call.began),
        "end_time": _date(ended_at),
        "duration": seconds,
        "api_version": "2010-04-01",
    }


def _text(exchange: Exchange, text: Text) -> dict[str, object]:
    return {
        "sid": text.sid,
        "account_sid": exchange.account_sid,
        "to": text.to,
        "from": text.from_,
        "body": text.body,
        "direction": text.direction,
        "status": text.status,
        "error_code": int(text.error_code) if text.error_code else None,
        "date_created": _date(text.created_at),
        "date_sent": None if text.status == "queued" else _date(text.created_at),
        "api_version": "2010-04-01",
    }


def _date(at: datetime | None) -> str | None:
    return None if at is None else format_datetime(at.astimezone(UTC))


def _json(status: int, content: Mapping[str, object]) -> Answer:
    return Answer(status, json.dumps(content), {"Content-Type": "application/json"})


def _error(refused: Refused, headers: Mapping[str, str] | None = None) -> Answer:
    told = {"code": refused.code, "message": str(refused), "status": refused.status}
    return Answer(refused.status, json.dumps(told), {"Content-Type": "application/json", **(headers or {})})
