"""Text messages, both ways: sent by the program with receipts to follow, or sent to one of its numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Literal

from console.phone.document import SCHEMA, NotTwiml, read_messages
from console.phone.door import NoReply, Reply
from console.phone.events import Failed, TextReceived, TextSent
from console.phone.execution import HTTP_FAILURE

if TYPE_CHECKING:
    from console.phone.exchange import Exchange

# Twilio's error codes of a message that did not arrive.
UNREACHABLE, NO_MOBILE = "30003", "30006"
SEGMENT = 160

Direction = Literal["outbound-api", "outbound-reply", "inbound"]
Receipts = Literal["delivered", "undelivered", "failed", "sent", "none"]
# What is told of a message, in order; a status with its error code.
TOLD: dict[Receipts, tuple[tuple[str, str], ...]] = {
    "delivered": (("sent", ""), ("delivered", "")),
    "undelivered": (("sent", ""), ("undelivered", UNREACHABLE)),
    "failed": (("failed", NO_MOBILE),),
    "sent": (("sent", ""),),
    "none": (),
}


@dataclass(slots=True)
class Text:
    """One message. `status` is how it stands now; what it says is never shown by `repr`."""

    sid: str
    from_: str
    to: str
    body: str = field(repr=False)
    direction: Direction
    created_at: datetime
    status: str = "queued"
    error_code: str = ""


class Texts:
    """All messages of an exchange, in order."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.sent: list[Text] = []
        self.received: list[Text] = []

    def send(
        self, to: str, from_: str, body: str, status_callback: str = "", direction: Direction = "outbound-api"
    ) -> Text:
        """The program sends a message. Its receipts come later: see Behaviour."""
        exchange = self._exchange
        text = Text("SM" + exchange.hex32(), from_, to, body, direction, exchange.clock.now())
        self.sent.append(text)
        exchange.note(TextSent(text.created_at, to, from_, body))
        behaviour = exchange.behaviour
        told = TOLD[behaviour.receipts]
        exchange.later(
            partial(_becomes, text, *(told[-1] if told else ("sent", ""))), behaviour.receipt_seconds
        )
        if status_callback:
            for status, code in reversed(told) if behaviour.receipts_backwards else told:
                form = self._receipt(text, status, code)
                exchange.later(partial(self._tell, status_callback, form), behaviour.receipt_seconds)
        return text

    def receive(self, from_: str, to: str, body: str) -> list[Text]:
        """Somebody sends a message to one of our numbers: /sms is asked. Returns what he is answered."""
        exchange = self._exchange
        exchange.begin_move()
        text = Text("SM" + exchange.hex32(), from_, to, body, "inbound", exchange.clock.now(), "received")
        self.received.append(text)
        exchange.note(TextReceived(text.created_at, from_, to, body))
        url = exchange.sms_url
        try:
            answers = _answers(exchange.post(url, self._incoming(text)))
        except NoReply as failure:
            exchange.note(Failed(exchange.clock.now(), failure.code, str(failure)))
            return []
        except NotTwiml as error:
            exchange.note(Failed(exchange.clock.now(), error.code, f"/sms: {error}"))
            return []
        return [self.send(from_, to, answer, direction="outbound-reply") for answer in answers]

    def last_sender_to(self, phone: str) -> str | None:
        """The number that the program wrote to `phone` from last; None if it never did."""
        return next((text.from_ for text in reversed(self.sent) if text.to == phone), None)

    def _tell(self, url: str, form: dict[str, str]) -> None:
        failure = self._exchange.report(url, form)
        if failure is not None:
            self._exchange.note(failure)

    def _receipt(self, text: Text, status: str, code: str) -> dict[str, str]:
        form = {
            "SmsSid": text.sid,
            "SmsStatus": status,
            "MessageStatus": status,
            "To": text.to,
            "MessageSid": text.sid,
            "AccountSid": self._exchange.account_sid,
            "From": text.from_,
            "ApiVersion": "2010-04-01",
        }
        return form | ({"ErrorCode": code} if code else {})

    def _incoming(self, text: Text) -> dict[str, str]:
        form = {
            "SmsMessageSid": text.sid,
            "NumMedia": "0",
            "SmsSid": text.sid,
            "SmsStatus": "received",
            "Body": text.body,
            "NumSegments": str(len(text.body) // SEGMENT + 1),
            "MessageSid": text.sid,
            "AccountSid": self._exchange.account_sid,
            "ApiVersion": "2010-04-01",
        }
        for name, number in (("From", text.from_), ("To", text.to)):
            form[name] = number
            form |= {f"{name}City": "", f"{name}State": "", f"{name}Zip": ""}
            form[f"{name}Country"] = "IT" if number.startswith("+39") else ""
        return form


def _becomes(text: Text, status: str, code: str) -> None:
    text.status, text.error_code = status, code


def _answers(reply: Reply) -> list[str]:
    """What a webhook answers to a message. Raises NotTwiml; HTTP failures are told the same way."""
    if not 200 <= reply.status < 300:
        raise NotTwiml(f"answered {reply.status}", HTTP_FAILURE)
    if not reply.body.strip():
        return []
    answers = read_messages(reply.body, reply.content_type)
    if any(len(answer) > 1600 for answer in answers):
        raise NotTwiml("a <Message> holds more than 1600 characters", SCHEMA)
    return answers
