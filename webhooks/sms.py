"""The addresses of text messages: those that come in, and what Twilio tells of those that we sent.

They pass the same checks as calls: signature, account, no parameter twice, none hidden in another.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from flask import Blueprint, Response, request
from werkzeug.exceptions import Forbidden

from ivr import noting
from ivr.standby.luggage import LuggageRefused
from ivr.text_messages import TextReceived
from webhooks import twiml
from webhooks.door import Believed, signed_form
from webhooks.parameters import Parameters

MESSAGE_SID = re.compile(r"(?:SM|MM)[0-9a-f]{32}")
_ERROR_CODE = re.compile(r"[0-9]{1,6}")
LONGEST_STATUS = 20


class MessageParameters(Parameters):
    """The form of a request about a text message."""

    named, sid_form = "MessageSid", MESSAGE_SID
    optional: Collection[str] = ("ErrorCode", "MessageStatus", "Body")
    # Whoever writes to us writes any word he likes.
    free_text: Collection[str] = frozenset({"Body"})

    @property
    def text(self) -> str:
        return self._form.get("Body", "")

    @property
    def message_status(self) -> str:
        return "".join(c for c in self._form.get("MessageStatus", "") if c.isalpha())[:LONGEST_STATUS]

    @property
    def error_code(self) -> str:
        """Twilio's number for why it was not delivered; "" for none."""
        code = self._form.get("ErrorCode", "")
        return code if _ERROR_CODE.fullmatch(code) else ""


def text_messages(believed: Believed, senders: Collection[str]) -> Blueprint:
    """`senders` are the numbers that our text messages come from, so that answers come to them."""
    sms = Blueprint("sms", __name__)

    @sms.post("/sms")
    def arrive() -> Response:
        """A text message comes in."""
        parameters = MessageParameters(signed_form(believed), believed.account_sid)
        noting.here().call = parameters.call_sid
        parameters.number(senders)
        got = TextReceived(parameters.call_sid, parameters.caller, parameters.text)
        answer = believed.reception.answer_text(got, believed.clock())
        return Response(twiml.for_text(answer), content_type=twiml.CONTENT_TYPE)

    @sms.post("/sms/status")
    def status() -> Response:
        """What became of a text message that we sent. It is the one that the address was made for."""
        parameters = MessageParameters(signed_form(believed), believed.account_sid)
        noting.here().call = parameters.call_sid
        try:
            contents = believed.seal.open(request.args.get("l", ""))
            send_id = contents["text"]
        except (LuggageRefused, KeyError):
            raise Forbidden from None
        if isinstance(send_id, int) and parameters.message_status:
            believed.reception.receipt(
                send_id,
                str(contents.get("home", "")),
                parameters.call_sid,
                parameters.message_status,
                parameters.error_code,
                believed.clock(),
            )
        return Response(status=204)

    return sms
