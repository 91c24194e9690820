"""What other programs can ask for. Thin: each reads or calls a verb, and shows. No rule stands here."""

from __future__ import annotations

from console.api.operation import Area, Operation
from console.api.operations import calls, cases, customers, pins, rota

AREAS: tuple[Area, ...] = (customers.area, pins.area, rota.area, calls.area, cases.area)


def all_operations() -> list[Operation]:
    return [operation for area in AREAS for operation in area.operations]
