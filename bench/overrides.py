"""What a whole call costs with ten overrides in its rota, and with ten thousand.

Half of them have passed, half are to come.
"""

from __future__ import annotations

from datetime import timedelta

from playing import EVENING, Nights, as_it_grows
from results import Result, draw
from sqlalchemy import insert

from oncall.tables import rota_overrides

SIZES = (10, 100, 1_000, 10_000)
NIGHTS, FEW_NIGHTS = 40, 6
HOUR = timedelta(hours=1)
ROWS = ("a call with 10,000 overrides in the rota (CPU)",)


def measure(quick: bool) -> list[Result]:
    costs = as_it_grows(fill, SIZES, FEW_NIGHTS if quick else NIGHTS, "overrides")
    draw("a whole call, its rota", "overrides", costs)
    return [Result(ROWS[0], costs[SIZES[-1]] / costs[SIZES[0]], 1.1, f"with {SIZES[0]}")]


def fill(nights: Nights, size: int) -> None:
    """Overrides of an hour by day, when nobody calls here: so that the same people are rung in each house."""
    rows = [
        {
            "rota": "duty",
            "rung": 1,
            "starts_at": start,
            "ends_at": start + HOUR,
            "technician": "carla",
            "created_at": EVENING - timedelta(days=30),
            "created_by": "bench",
        }
        for start in (EVENING - 10 * HOUR + timedelta(days=number) for number in range(-size // 2, size // 2))
    ]
    with nights.database.write() as connection:
        connection.execute(insert(rota_overrides), rows)
