"""Another program in tests: it has a token and asks the interface of the console's door over WSGI."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from visitors import Console
from werkzeug.test import TestResponse

from console.access import tokens
from console.access.scopes import Scope
from console.api.app import create_api, mount
from console.api.operation import Operation
from console.api.rate import Rate

BASE = "/api/v1"
ALL = tuple(scope.value for scope in Scope)


def add_token(console: Console, name: str = "psa", scopes: Iterable[str] = ALL, **more: Any) -> str:
    with console.house.database.write() as connection:
        return tokens.add(
            connection, "test", console.clock.now(), console.house.configuration, name, scopes, **more
        )


def patient(console: Console) -> None:
    """Let programs ask as often as they like."""
    app = console.app
    app.wsgi_app = app.wsgi_app.app  # type: ignore[attr-defined, method-assign]
    mount(app, create_api(console.house, console.clock.now, Rate(10**9, 10**9)))


@dataclass
class Program:
    """A program with a token of some scopes. Its answers are JSON."""

    console: Console
    token: str
    headers: dict[str, str] = field(default_factory=dict)

    def ask(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, **more: Any
    ) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.token}", **self.headers, **more.pop("headers", {})}
        if key is not None:
            headers["Idempotency-Key"] = key
        if body is not None:
            more |= {"data": json.dumps(body), "content_type": "application/json"}
        return self.console.app.test_client().open(
            BASE + path, method=method, headers=headers, base_url="http://localhost:8081", **more
        )

    def got(self, path: str, **query: Any) -> Any:
        """What is there."""
        return self._done(self.ask("GET", path, query_string=query), 200)

    def done(
        self, path: str, body: Any = None, *, method: str = "POST", status: int = 200, **more: Any
    ) -> Any:
        """An act that must be done; what was answered."""
        return self._done(self.ask(method, path, {} if body is None else body, **more), status)

    def refused(self, method: str, path: str, body: Any, status: int, *fields: str, **more: Any) -> Any:
        """It must be refused with this status, because of these fields; the problem."""
        answer = self.ask(method, path, body, **more)
        problem = answer.get_json(force=True)
        assert answer.status_code == status, problem
        assert answer.mimetype == "application/problem+json"
        assert set(problem) == {"type", "title", "status", "detail", "errors"}
        assert problem["status"] == status
        assert [each["field"] for each in problem["errors"]] == list(fields), problem
        return problem

    def _done(self, answer: TestResponse, status: int) -> Any:
        assert answer.status_code == status, answer.get_data(as_text=True)
        assert answer.mimetype == "application/json"
        return answer.get_json()


def program(console: Console, *scopes: str, name: str = "psa") -> Program:
    """A program with these scopes; without any, with all."""
    return Program(console, add_token(console, name, scopes or ALL))


def nowhere(operation: Operation) -> str:
    """The path of an operation with places that lead to nothing, and are such as lead to something."""
    places = {
        "code": "NOBODY",
        "pin_id": "999999999",
        "override_id": "999999999",
        "rota": "none",
        "sid": "CA" + "f" * 32,
        "number": "1999-99999",
    }
    return operation.path.format(**places)
