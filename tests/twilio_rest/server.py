"""The stand-in's HTTP: who may ask, which part of it answers, what fails on purpose.

    house = Account(...)
    with serving(house.sid, house.token, routes(house)) as twilio:
        settings = TwilioSettings(account_sid=house.sid, auth_tokens=[...], api_base=twilio.base)

A further part of Twilio is a module with a function that returns its routes. At the end of the block whatever
was asked or answered that Twilio's OpenAPI documents do not have fails the test, whoever has swallowed it.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from twilio_rest import validation

JSON = "application/json"


class Refusal(Exception):
    """Answered as Twilio answers what it refuses."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def document(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "message": self.message,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }


UNKNOWN = (404, 20404, "The requested resource was not found")
NOT_YOU = (401, 20003, "Authenticate")


@dataclass(frozen=True)
class Asked:
    """One request. `named` is what stood in the path's braces."""

    request: Request
    named: dict[str, str]

    @property
    def form(self) -> dict[str, str]:
        """The form with one value a field."""
        return self.request.form.to_dict()

    @property
    def query(self) -> dict[str, str]:
        return self.request.args.to_dict()


@dataclass(frozen=True)
class Route:
    """`path` as it stands in the document of this name, with {Sid}; None for what no document has, and
    whose request and answer are believed. What `answer` returns is sent as JSON, or as it is if it is a
    Response; it may raise Refusal.
    """

    method: str
    path: str
    document: str | None
    answer: Callable[[Asked], Any]

    def named(self, method: str, path: str) -> dict[str, str] | None:
        """What stands in the braces, if the request is for this route."""
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+?)", re.escape(self.path))
        found = re.fullmatch(pattern, path) if method == self.method else None
        return None if found is None else found.groupdict()


@dataclass
class Fault:
    """Refuses requests on purpose: those of this method whose path holds `path`, `times` of them after the
    first `after`. `done`: it is carried out all the same, and only the answer is lost.
    """

    method: str
    path: str
    refusal: Refusal
    times: int = 1
    after: int = 0
    done: bool = False

    def hits(self, request: Request) -> bool:
        if request.method != self.method or self.path not in request.path or not self.times:
            return False
        if self.after:
            self.after -= 1
            return False
        self.times -= 1
        return True


@dataclass
class StandIn:
    """`asked` holds method and path of every request that was let in, `wrong` what no document has."""

    account_sid: str
    token: str
    routes: list[Route]
    validated: bool
    base: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    @property
    def written(self) -> list[str]:
        """The paths of the requests that change something."""
        return [path for method, path in self.asked if method != "GET"]

    def fail(self, method: str, path: str, status: int, code: int, **more: Any) -> None:
        """Plant a Fault."""
        self.faults.append(Fault(method, path, Refusal(status, code, "as planted"), **more))

    def __call__(self, environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        with self._one_at_a_time:
            try:
                response = self._answered(request)
            except Refusal as refusal:
                told = json.dumps(refusal.document())
                response = Response(told, refusal.status, content_type=JSON)
        return response(environ, start_response)

    def _answered(self, request: Request) -> Response:
        given = request.authorization
        if given is None or (given.username, given.password) != (self.account_sid, self.token):
            raise Refusal(*NOT_YOU)
        self.asked.append((request.method, request.path))
        route, named = self._route(request)
        fault = next((each for each in self.faults if each.hits(request)), None)
        if fault is not None and not fault.done:
            raise fault.refusal
        self._validate_request(route, named, request)
        answer = route.answer(Asked(request, named))
        if fault is not None:
            raise fault.refusal
        if isinstance(answer, Response):
            return answer
        status = 200
        if self.validated and route.document is not None:
            known = validation.document(route.document)
            status = known.success(route.method, route.path)
            self._note(route, known.wrong_answer(route.method, route.path, status, answer), "answered")
        elif request.method == "DELETE":
            status = 204
        return Response("" if status == 204 else json.dumps(answer), status, content_type=JSON)

    def _route(self, request: Request) -> tuple[Route, dict[str, str]]:
        for route in self.routes:
            named = route.named(request.method, request.path)
            if named is not None:
                if named.get("AccountSid", self.account_sid) != self.account_sid:
                    raise Refusal(*UNKNOWN)
                return route, named
        self.wrong.append(f"{request.method} {request.path}: nobody answers this here")
        raise Refusal(*UNKNOWN)

    def _validate_request(self, route: Route, named: dict[str, str], request: Request) -> None:
        if not self.validated or route.document is None:
            return
        query = {name: request.args.getlist(name) for name in request.args}
        form = {name: request.form.getlist(name) for name in request.form}
        found = validation.document(route.document).wrong_request(
            route.method, route.path, named, query, form
        )
        if request.get_data() and not form:
            found.append(f"a body that is no form: {request.content_type}")
        self._note(route, found, "asked")
        if found:
            raise Refusal(422, 20001, "; ".join(found))

    def _note(self, route: Route, found: list[str], which: str) -> None:
        self.wrong += [f"{which} {route.method} {route.path}: {each}" for each in found]


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        pass


@contextmanager
def serving(
    account_sid: str, token: str, routes: Iterable[Route], *, wrong_is_failure: bool = True
) -> Iterator[StandIn]:
    """The stand-in, until the end of the block. Where the documents are not installed nothing is validated
    (one test says so); under REQUIRE_ALL=1 that is a failure.
    """
    stand_in = StandIn(account_sid, token, list(routes), validation.there())
    server = make_server("127.0.0.1", 0, stand_in, threaded=True, request_handler=_Quiet)
    stand_in.base = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    if wrong_is_failure:
        assert stand_in.wrong == []
