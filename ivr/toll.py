"""How much was dialled in the last day, and what of it may go on once it is more than may be.

Counted from the rows that calls and texts leave anyway. Whatever is about an accepted case is never refused:
its technicians are rung, its texts are sent, and the admins are alarmed. A customer's phone, and calls and
texts that are about no case, are refused beyond the cap. Two that are asked for at the same moment may pass
it by one. Office phones are not counted: they stand in the configuration.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, bindparam, func, select, union_all, update

from ivr.tables import outgoing
from oncall.cases.cases import Case
from oncall.settings import TollSettings
from oncall.tables import attempts, notice_sends
from oncall.tables import cases as case_rows
from pins import customers
from storage.alarms import raise_alarm
from storage.types import Instant

DAY = timedelta(hours=24)
_SINCE = bindparam("since", type_=Instant)
# His phone rang in a caller's call; what we placed has a row of its own.
_IN_CALLS = and_(attempts.c.asked_at > _SINCE, attempts.c.pass_id.is_(None))
_ABOUT_A_CASE = outgoing.c.case_id.is_not(None)
_COUNTED = select(
    select(func.count()).select_from(attempts).where(_IN_CALLS).scalar_subquery().label("rung"),
    func.count().filter(_ABOUT_A_CASE).label("about_cases"),
    func.count().filter(~_ABOUT_A_CASE).label("others"),
    func.coalesce(func.sum(outgoing.c.customer_dials), 0).label("customers"),
).where(outgoing.c.asked_at > _SINCE)
_TEXTS = select(func.count()).where(notice_sends.c.channel == "text", notice_sends.c.tried_at > _SINCE)
_OF_CUSTOMER = (
    select(func.coalesce(func.sum(outgoing.c.customer_dials), 0))
    .join(case_rows, case_rows.c.id == outgoing.c.case_id)
    .where(outgoing.c.asked_at > _SINCE, case_rows.c.customer_id == bindparam("customer"))
)
_RUNG = union_all(
    select(attempts.c.technician, attempts.c.phone).where(_IN_CALLS),
    select(outgoing.c.technician, outgoing.c.phone).where(outgoing.c.asked_at > _SINCE),
).subquery()
_MOST_RUNG = (
    select(func.min(_RUNG.c.technician), func.count().label("many"))
    .group_by(_RUNG.c.phone)
    .having(func.count() > bindparam("most"))
    .order_by(func.count().desc())
)


@dataclass(frozen=True)
class Dialled:
    """Calls and texts of the last day. `others` are calls about no case."""

    technicians: int
    customers: int
    others: int
    texts: int

    @property
    def calls(self) -> int:
        return self.technicians + self.customers + self.others


def dialled(connection: Connection, at: datetime) -> Dialled:
    """What was dialled in the 24 hours up to `at`."""
    since = {"since": at - DAY}
    row = connection.execute(_COUNTED, since).one()
    texts = connection.execute(_TEXTS, since).scalar_one()
    return Dialled(row.rung + row.about_cases, int(row.customers), row.others, texts)


def may_call_customer(connection: Connection, at: datetime, settings: TollSettings, case: Case) -> bool:
    """Whether the customer of a case may be dialled once more; the admins are alarmed if not."""
    counts = dialled(connection, at)
    if counts.customers >= settings.customers:
        return _refused(connection, at, "customers", settings.customers)
    if counts.calls >= settings.calls:
        return _refused(connection, at, "calls", settings.calls)
    if case.customer_id is None:
        return True
    asked = {"since": at - DAY, "customer": case.customer_id}
    if connection.execute(_OF_CUSTOMER, asked).scalar_one() >= settings.one_customer:
        code = customers.code_of(connection, case.customer_id) or ""
        return _refused(connection, at, "one_customer", settings.one_customer, code)
    return True


def customer_called(connection: Connection, outgoing_id: int) -> None:
    """The customer is dialled now, in this call that we placed."""
    this = update(outgoing).where(outgoing.c.id == outgoing_id)
    connection.execute(this.values(customer_dials=outgoing.c.customer_dials + 1))


def may_place(connection: Connection, at: datetime, settings: TollSettings, *, about_case: bool) -> bool:
    """Whether a call to a technician, which is written down already, may be placed."""
    if about_case:
        return True
    counts = dialled(connection, at)
    if counts.others > settings.others:
        return _refused(connection, at, "others", settings.others)
    if counts.calls > settings.calls:
        return _refused(connection, at, "calls", settings.calls)
    return True


def may_text(connection: Connection, at: datetime, settings: TollSettings, *, about_case: bool) -> bool:
    """Whether a text message, which is written down already, may be sent; the admins are alarmed beyond the
    cap either way.
    """
    if connection.execute(_TEXTS, {"since": at - DAY}).scalar_one() <= settings.texts:
        return True
    if about_case:
        _passed(connection, at, "texts", settings.texts)
        return True
    return _refused(connection, at, "texts", settings.texts)


def watch(connection: Connection, at: datetime, settings: TollSettings) -> None:
    """Alarm the admins of whatever is beyond its cap and goes on all the same."""
    counts = dialled(connection, at)
    if counts.technicians > settings.technicians:
        _passed(connection, at, "technicians", settings.technicians)
    if counts.calls > settings.calls:
        _passed(connection, at, "calls", settings.calls)
    asked = {"since": at - DAY, "most": settings.one_phone}
    for technician, _ in connection.execute(_MOST_RUNG, asked).all():
        _passed(connection, at, "one_phone", settings.one_phone, technician)


def _refused(connection: Connection, at: datetime, key: str, most: int, whom: str = "") -> bool:
    _alarm(connection, at, "toll-refused", key, most, whom)
    return False


def _passed(connection: Connection, at: datetime, key: str, most: int, whom: str = "") -> None:
    _alarm(connection, at, "toll-passed", key, most, whom)


def _alarm(connection: Connection, at: datetime, what: str, key: str, most: int, whom: str) -> None:
    told: dict[str, object] = {"cap": f"toll.{key}", "most": most}
    if whom:
        told["whom"] = whom
    raise_alarm(connection, at, what, f"{key}:{whom}" if whom else key, told)
