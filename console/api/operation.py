"""One operation of the interface, read off the function that does it: parameters, body, answer, scope.

    area = Area("customers", "Customers and their contracts.")

    @area.get("/customers/{code}", Scope.CUSTOMERS_READ)
    def read_customer(asked: Asked, connection: Connection, code: Code) -> CustomerShown:
        \"""One customer.\"""

The function's `connection` is a reading transaction, or for whatever is no GET a writing one in which the
idempotency key is claimed; one without it opens its own by `asked.write`. `body` and `query` are models that
refuse what they do not know; every other parameter is a place of the path. An operation that names no scope
cannot be written. The document is made of the same things: `console.api.document`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar, get_type_hints

from pydantic import BaseModel, TypeAdapter

from console.access.scopes import Scope
from console.api.shapes.common import Shape

Act = TypeVar("Act", bound=Callable[..., Shape])
_OWN = ("asked", "connection", "body", "query")


@dataclass(frozen=True)
class Operation:
    """`path` is below /api/v1. `status` is that of its success."""

    area: str
    method: str
    path: str
    scope: Scope
    act: Callable[..., Shape]
    status: int

    @property
    def name(self) -> str:
        return self.act.__name__

    @property
    def about(self) -> str:
        return inspect.cleandoc(self.act.__doc__ or "")

    @property
    def summary(self) -> str:
        """The first sentence of `about`, on one line."""
        return re.split(r"(?<=\.) ", " ".join(self.about.split()), maxsplit=1)[0]

    @cached_property
    def hints(self) -> Mapping[str, Any]:
        return get_type_hints(self.act, include_extras=True)

    @property
    def answer(self) -> type[Shape]:
        found: type[Shape] = self.hints["return"]
        return found

    @property
    def body(self) -> type[BaseModel] | None:
        return self.hints.get("body")

    @property
    def query(self) -> type[BaseModel] | None:
        return self.hints.get("query")

    @property
    def connected(self) -> bool:
        return "connection" in self.hints

    @property
    def writes(self) -> bool:
        return self.method != "GET"

    @cached_property
    def places(self) -> Mapping[str, TypeAdapter[Any]]:
        """Of the path, in its order."""
        return {name: TypeAdapter(self.hints[name]) for name in re.findall(r"{(\w+)}", self.path)}

    @property
    def body_needed(self) -> bool:
        return self.body is not None and any(each.is_required() for each in self.body.model_fields.values())


@dataclass
class Area:
    """Operations about one thing."""

    name: str
    about: str
    operations: list[Operation] = field(default_factory=list)

    def get(self, path: str, scope: Scope) -> Callable[[Act], Act]:
        return self._operation("GET", path, scope, 200)

    def post(self, path: str, scope: Scope, status: int = 200) -> Callable[[Act], Act]:
        return self._operation("POST", path, scope, status)

    def patch(self, path: str, scope: Scope) -> Callable[[Act], Act]:
        return self._operation("PATCH", path, scope, 200)

    def delete(self, path: str, scope: Scope) -> Callable[[Act], Act]:
        return self._operation("DELETE", path, scope, 200)

    def _operation(self, method: str, path: str, scope: Scope, status: int) -> Callable[[Act], Act]:
        def keep(act: Act) -> Act:
            made = Operation(self.name, method, path, scope, act, status)
            others = made.hints.keys() - {*_OWN, "return", *made.places}
            if others:
                raise TypeError(f"{made.name}: {', '.join(sorted(others))} is no place of {path}")
            self.operations.append(made)
            return act

        return keep
