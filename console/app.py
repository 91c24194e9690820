"""The console's own listener, apart from Twilio's door. Its pages are still to come."""

from __future__ import annotations

from flask import Flask, Response


def create_app() -> Flask:
    app = Flask("console", static_folder=None)

    @app.get("/healthz")
    def healthz() -> Response:
        return Response("ok\n", mimetype="text/plain")

    @app.get("/")
    def home() -> Response:
        return Response("The console has no pages yet: use the ivr command.\n", mimetype="text/plain")

    return app
