"""The floor: the least that any webhook does. Twilio's signature is checked, one constant Gather answered."""

from __future__ import annotations

from flask import Flask, Response, abort, request
from twilio.request_validator import RequestValidator

from console.settings import Configuration

DOCUMENT = (
    '<?xml version="1.0" encoding="UTF-8"?><Response><Gather action="https://ivr.example.net/voice/turn/1" '
    'actionOnEmptyResult="true" finishOnKey="#" input="dtmf" method="POST" numDigits="8" timeout="8">'
    '<Say language="it-IT" voice="Polly.Bianca-Neural">Buonasera. Digiti il PIN.</Say></Gather></Response>'
)


def make(configuration: Configuration) -> Flask:
    app = Flask("floor", static_folder=None)
    validator = RequestValidator(configuration.twilio.auth_tokens[0].get_secret_value())
    public = configuration.service.public_url

    @app.get("/healthz")
    def healthz() -> str:
        return "ok\n"

    @app.post("/<path:path>")
    def turn(path: str) -> Response:
        query = request.query_string.decode("ascii")
        address = f"{public}/{path}" + (f"?{query}" if query else "")
        if not validator.validate(address, request.form, request.headers.get("X-Twilio-Signature", "")):
            abort(403)
        return Response(DOCUMENT, content_type="text/xml; charset=utf-8")

    return app
