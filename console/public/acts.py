"""What a technician does by his case link: forms in, verbs of `ivr.casework` out. Never commits.

A form carries a key that is good for one use, so that a double tap, or a page sent again, does nothing
twice; and who had the case when the page was shown, so that nobody takes it from a colleague unawares.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, func, select

from console import case_acts
from console.case_acts import Doer, calls_back
from console.case_acts import NotDone as NotDone
from console.house import House
from console.public.keys import form_key
from oncall.cases import case_log, cases
from oncall.cases.cases import Case
from oncall.cases.links import Link
from oncall.tables import case_log as log_rows

# What each act leaves in the case's log, by which it is known to have been done.
_LEAVES = {
    "take": "taken",
    "pass": "passed",
    "reclassify": "reclassified",
    "note": "note",
    "close": "closed",
    "name": "named",
}
ACTS = (*_LEAVES, "call")


def actor_of(link: Link) -> str:
    """As whom the link acts."""
    return f"technician:{link.technician} via link"


def keys_of(connection: Connection, house: House, link: Link, case: Case) -> dict[str, str]:
    """A key for each form of the page, as things stand."""
    return {
        act: form_key(house.configuration, link.id, act, _times(connection, link, case, act)) for act in ACTS
    }


def do(
    connection: Connection, at: datetime, house: House, link: Link, act: str, form: Mapping[str, str]
) -> str:
    """Do one act of ACTS as the form says. Returns what is said of it: the act, or `again` if this form
    was sent before. Raises NotDone, CaseClosed.
    """
    # Whoever else sends this form waits here, and then finds its key used.
    cases.lock(connection)
    case = cases.find(connection, cases.number_of(connection, link.case_id))
    expected = form_key(house.configuration, link.id, act, _times(connection, link, case, act))
    if not hmac.compare_digest(expected.encode(), form.get("key", "").encode("utf-8", "replace")):
        return "again"
    case_acts.do(connection, at, house, Doer(actor_of(link), link.technician, "link"), act, case, form)
    return act


# -- how often -------------------------------------------------------------------------------------


def _times(connection: Connection, link: Link, case: Case, act: str) -> int:
    """How often the act was done through links of this technician."""
    if act == "call":
        done = select(func.count()).where(*calls_back(case, link.technician or ""))
    else:
        done = select(func.count()).where(
            log_rows.c.case_id == case.id,
            log_rows.c.act == _LEAVES[act],
            log_rows.c.actor == actor_of(link)[: case_log.LONGEST_ACTOR],
        )
    return connection.execute(done).scalar_one()
