"""Asks every check, each guarded: one that fails or does not end is a finding itself and hides no other."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from console.doctor import (
    account,
    address,
    backups,
    caller_id,
    clocks,
    configuration,
    countries,
    customers,
    database,
    disk,
    files,
    mail,
    numbers,
    recorded,
    rota,
    secrets,
    snapshot,
    stand_in,
    texts,
    tickets,
    work,
)
from console.doctor.finding import Finding, ordered, red
from console.doctor.look import Look, Tools
from console.house import House

log = logging.getLogger("ivr.doctor")

# Seconds that a check may take. Longer than the longest of them waits by itself: the mail server, twice over
# 25 s; Twilio's lists page by page.
LIMIT = 60.0


@dataclass(frozen=True)
class Check:
    """`network`: it asks something beyond the database. `needs` is the subject without which it cannot be."""

    subject: str
    ask: Callable[[Look], Iterable[Finding]]
    network: bool = False
    needs: str = ""


CHECKS = (
    Check("configuration", configuration.check),
    Check("secrets", secrets.check),
    Check("files", files.check),
    Check("disk", disk.check),
    Check("database", database.check),
    Check("rota", rota.check, needs="database"),
    Check("customers", customers.check, needs="database"),
    Check("snapshot", snapshot.check),
    Check("work", work.check, needs="database"),
    Check("backups", backups.check, needs="database"),
    Check("stand-in", stand_in.check, needs="database"),
    Check("recorded sentences", recorded.check, needs="database"),
    Check("public address", address.check, network=True),
    Check("mail", mail.check, network=True),
    Check("tickets", tickets.check, needs="database"),
    Check("Twilio's account", account.check, network=True),
    Check("numbers at Twilio", numbers.check, network=True, needs="Twilio's account"),
    Check("caller ID", caller_id.check, network=True, needs="Twilio's account"),
    Check("countries", countries.check, network=True, needs="Twilio's account"),
    Check("text messages", texts.check, network=True, needs="Twilio's account"),
    # Last: by now Twilio has told its time.
    Check("clock", clocks.check),
)


@dataclass
class Examination:
    """`unseen` are the subjects that were not, or not wholly, looked at."""

    findings: list[Finding] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not any(each.level == "red" for each in self.findings)


def examine(
    house: House,
    at: datetime,
    *,
    tools: Tools | None = None,
    offline: bool = False,
    checks: Sequence[Check] = CHECKS,
    limit: float = LIMIT,
) -> Examination:
    """Everything that is found, the worst first. `offline` leaves out what asks the network. `limit` is in
    seconds, for each check. Raises nothing.
    """
    look = Look(house, at, tools or Tools())
    made = Examination()
    blocked: set[str] = set()
    for check in checks:
        if (offline and check.network) or check.needs in blocked:
            made.unseen.append(check.subject)
            blocked.add(check.subject)
            continue
        found, whole = _asked(check, look, limit)
        made.findings += [replace(each, subject=check.subject) for each in found]
        if any(each.blocks for each in found):
            blocked.add(check.subject)
        if not whole:
            made.unseen.append(check.subject)
    made.findings = ordered(made.findings, _subjects(checks))
    return made


def _subjects(checks: Collection[Check]) -> list[str]:
    return [check.subject for check in checks]


def _asked(check: Check, look: Look, limit: float) -> tuple[list[Finding], bool]:
    """What a check found, as far as it came, and whether it came to its end."""
    found: list[Finding] = []
    failed: list[BaseException] = []

    def ask() -> None:
        try:
            for each in check.ask(look):
                found.append(each)
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=ask, name=f"doctor {check.subject}", daemon=True)
    thread.start()
    thread.join(limit)
    told = list(found)
    if thread.is_alive():
        return [*told, _stuck(check, limit)], False
    if failed:
        # The kind alone: an error's text may quote what was asked.
        kind = type(failed[0]).__name__
        log.error("the check of %s failed: %s", check.subject, kind)
        return [*told, _crashed(check, kind)], False
    return told, True


def _crashed(check: Check, kind: str) -> Finding:
    return red(
        f"check-failed.{check.subject}",
        f"The check of {check.subject} itself failed ({kind}): what it looks for is not known.",
        "Look at this subject by hand, and report the failure to whoever keeps this program.",
        blocks=True,
    )


def _stuck(check: Check, limit: float) -> Finding:
    return red(
        f"check-stuck.{check.subject}",
        f"The check of {check.subject} did not end within {limit:g} seconds.",
        "Find out what it waits for (the database's lock, a server that takes connections and says "
        "nothing), then run it again.",
        blocks=True,
    )
