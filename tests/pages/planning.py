"""How tests plan in the console: a preview is asked for, and confirmed as its own form says."""

from __future__ import annotations

import html
import re
from datetime import datetime, timedelta
from typing import Any

from making import rome
from sqlalchemy import func, insert, select
from visitors import Console, Visitor
from werkzeug.test import TestResponse

from oncall.rota import roster
from oncall.tables import absences as absence_rows
from oncall.tables import rota_overrides

SATURDAY = {"from": "2026-03-14T08:00", "to": "2026-03-15T20:00"}


def text(answer: TestResponse) -> str:
    return html.unescape(answer.get_data(as_text=True))


def hidden(page: str, action: str) -> dict[str, str]:
    """The hidden fields of the form of a page that is sent to `action`."""
    form = next(f for f in re.findall(r"<form.*?</form>", page, re.DOTALL) if f'action="{action}"' in f)
    return dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form))


def confirm(visitor: Visitor, page: str, action: str, **more: str) -> TestResponse:
    """Send the form by which a preview is confirmed."""
    data = {name: html.unescape(value) for name, value in hidden(page, action).items()}
    return visitor.client.post(action, data=data | more, base_url="http://localhost:8081")


def preview(visitor: Visitor, action: str, status: int = 200, **fields: Any) -> str:
    data = {"form-token": visitor.token("/nothing"), **fields}
    answer = visitor.client.post(action, data=data, base_url="http://localhost:8081")
    page = answer.get_data(as_text=True)
    assert answer.status_code == status, (answer.status_code, page[:3000])
    return page


def override(console: Console, who: str, start: datetime, end: datetime, rung: int = 1) -> int:
    with console.house.database.write() as connection:
        return roster.override(connection, "user:giulia", console.clock.now(), "duty", rung, start, end, who)


def on_duty(console: Console, at: datetime) -> list[str]:
    with console.house.database.read() as connection:
        return [duty.technician for duty in roster.book(connection, "duty").ladder(at)]


def how_many(console: Console, table: Any = rota_overrides) -> int:
    with console.house.database.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def plan_much(console: Console) -> None:
    at = console.clock.now()
    with console.house.database.write() as connection:
        for n in range(60):
            start = rome("2026-03-12 08:00") + timedelta(hours=6 * n)
            until = start + timedelta(hours=5)
            roster.override(connection, "x", at, "duty", 1, start, until, ("dario", "anna")[n % 2])
            connection.execute(
                insert(absence_rows).values(
                    technician="carla",
                    starts_at=start,
                    ends_at=until,
                    kind="other",
                    created_at=at,
                    created_by="x",
                )
            )
