"""What a whole call costs with a thousand calls in the journal, and with a million.

Every call of the past has its turns, every second one a case with an attempt and its work that was done; all
are of the cast's four customers, so that each of them has a quarter of the past. The rows are made by the
database itself.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from playing import EVENING, Nights, as_it_grows
from results import Result, draw
from sqlalchemy import Connection, text

SIZES = (1_000, 10_000, 100_000, 1_000_000)
FEW_SIZES = SIZES[:3]
NIGHTS, FEW_NIGHTS = 40, 6
# So many at once, or the log of a transaction would grow as large as the database.
TOGETHER = 100_000
A_MONTH = timedelta(days=31)
ROWS = ("a call with very many in the journal (CPU)",)

# Calls of three minutes, each ten minutes before the next, the latest a month ago.
FILL = (
    """
    INSERT INTO calls
        (sid, caller, number, started_at, ended_at, outcome, customer_id, urgency, turn, step, state)
    SELECT printf('CA%032x', i + 4096), printf('+39347%07d', i % 5003), '+390461825060',
        strftime(:form, :latest, (10 * (i - :size)) || ' minutes'),
        strftime(:form, :latest, (10 * (i - :size) + 3) || ' minutes'),
        'connected', 1 + i % 4, 'P1+', 4, 'ended', :state
    FROM n""",
    *(
        f"""
    INSERT INTO turns (sid, turn, at, step, heard, answer)
    SELECT printf('CA%032x', i + 4096), {turn}, strftime(:form, :latest, (10 * (i - :size)) || ' minutes'),
        'pin', 'the PIN of ACME', :answer
    FROM n"""
        for turn in range(2)
    ),
    """
    INSERT INTO cases (number, code, call_sid, customer_id, rota, urgency, billable, opened_at, due_at,
        connected_at, closed_at, closed_by, screened, customer_calls)
    SELECT printf('2019-%08d', i), printf('%04d', i % 10000), printf('CA%032x', i + 4096), 1 + i % 4,
        'duty', 'P1+', 0, strftime(:form, :latest, (10 * (i - :size)) || ' minutes'),
        strftime(:form, :latest, (10 * (i - :size) + 60) || ' minutes'),
        strftime(:form, :latest, (10 * (i - :size) + 2) || ' minutes'),
        strftime(:form, :latest, (10 * (i - :size) + 9) || ' minutes'), 'bench', 0, 0
    FROM n WHERE i % 2 = 0""",
    """
    INSERT INTO case_calls (case_id, call_sid, joined_at)
    SELECT id, call_sid, opened_at FROM cases WHERE number IN (SELECT printf('2019-%08d', i) FROM n)""",
    """
    INSERT INTO attempts (case_id, call_sid, technician, phone, rung, asked_at, result, result_at)
    SELECT id, call_sid, 'anna', '+393331234501', 1, opened_at, 'connected', closed_at FROM cases
    WHERE number IN (SELECT printf('2019-%08d', i) FROM n)""",
    """
    INSERT INTO due_work (kind, key, payload, due_at, created_at, tries, state, ended_at, ended_by)
    SELECT 'case.pursue', number, '{}', opened_at, opened_at, 1, 'cancelled', closed_at, 'connected'
    FROM cases WHERE number IN (SELECT printf('2019-%08d', i) FROM n)""",
)
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last)"


def measure(quick: bool) -> list[Result]:
    sizes = FEW_SIZES if quick else SIZES
    costs = as_it_grows(fill, sizes, FEW_NIGHTS if quick else NIGHTS, "calls")
    draw("a whole call", "calls in the journal", costs)
    against = f"with {sizes[0]:,}; here {sizes[-1]:,}"
    return [Result(ROWS[0], costs[sizes[-1]] / costs[sizes[0]], 1.1, against)]


def fill(nights: Nights, size: int) -> None:
    """Put so many calls into the past of a house in which nobody has called yet."""
    for first in range(1, size + 1, TOGETHER):
        last = min(first + TOGETHER - 1, size)
        with nights.database.write() as connection:
            _some(connection, first, last, size)


def _some(connection: Connection, first: int, last: int, size: int) -> None:
    given: dict[str, Any] = {
        "first": first,
        "last": last,
        "size": size,
        "latest": f"{EVENING - A_MONTH:%Y-%m-%d %H:%M:%S}",
        "form": "%Y-%m-%d %H:%M:%S.000000",
        "state": "x" * 600,
        "answer": "x" * 400,
    }
    for statement in FILL:
        insert, _, rest = statement.partition("SELECT")
        connection.execute(text(f"{insert}{NUMBERS} SELECT{rest}"), given)
