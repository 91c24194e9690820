"""What the configuration says about itself: what is missing, what is risky, what is well.

Each finding has a level, a name, the key it is about, and facts for its text. Nothing secret is among them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from console.settings import Configuration
from oncall.notices import senders
from pins.settings import DEFAULT_MEMORY_KIB, DEFAULT_PASSES

Level = Literal["alarm", "warn", "note", "good"]
LEVELS: tuple[Level, ...] = ("alarm", "warn", "note", "good")
# A phone that rings longer than this is answered by the operator's voicemail, in seconds.
VOICEMAIL = 28


@dataclass(frozen=True)
class Finding:
    """`key` is dotted, as in "number.0.office"."""

    level: Level
    name: str
    key: str
    facts: Mapping[str, object] = field(default_factory=dict)


def findings(configuration: Configuration, rotas: Collection[str]) -> list[Finding]:
    """Everything that can be said now, the worst first. `rotas` are those that have rules."""
    found = [
        *_calls(configuration, rotas),
        *_pins(configuration),
        *_people(configuration),
        *_files(configuration),
    ]
    return sorted(found, key=lambda each: LEVELS.index(each.level))


def _calls(configuration: Configuration, rotas: Collection[str]) -> Iterator[Finding]:
    missing = configuration.missing_for_calls()
    yield from (Finding("alarm", "missing", key, {"key": key}) for key in missing)
    if not missing:
        yield Finding("good", "calls", "service.public_url")
    if configuration.service.public_url.startswith("http:"):
        yield Finding("warn", "plain-http", "service.public_url")
    for place, number in enumerate(configuration.number):
        facts = {"name": number.name, "number": number.number, "rota": number.rota}
        if number.rota not in rotas:
            yield Finding("alarm", "no-rota", f"number.{place}.rota", facts)
        if not number.office:
            yield Finding("warn", "no-office", f"number.{place}.office", facts)
    if not configuration.hours.pin_windows:
        yield Finding("warn", "no-windows", "hours.pin_windows")
    if not configuration.hours.holidays:
        yield Finding("warn", "no-holidays", "hours.holidays")
    if configuration.ringing.rings > VOICEMAIL:
        yield Finding("warn", "voicemail", "ringing.rings", {"seconds": configuration.ringing.rings})
    if configuration.urgency.connect_without_contract:
        yield Finding("note", "without-contract", "urgency.connect_without_contract")
    if configuration.twilio.api_base:
        yield Finding("warn", "api-base", "twilio.api_base")


def _pins(configuration: Configuration) -> Iterator[Finding]:
    cost = configuration.pins.cost
    if cost.weaker_than_default():
        yield Finding(
            "alarm", "weak-cost", "pins.cost", {"memory": DEFAULT_MEMORY_KIB, "passes": DEFAULT_PASSES}
        )
    else:
        yield Finding("good", "cost", "pins.cost")
    if configuration.pins.screen_without_pin:
        yield Finding("warn", "screening", "pins.screen_without_pin")
    if configuration.service.signing_key.get_secret_value():
        yield Finding("good", "signing", "service.signing_key")
    else:
        yield Finding("warn", "no-signing", "service.signing_key")


def _people(configuration: Configuration) -> Iterator[Finding]:
    mail, notices = configuration.mail, configuration.notices
    if mail.host:
        yield Finding("good", "mail", "mail.host", {"host": mail.host})
    else:
        yield Finding("warn", "no-mail", "mail.host")
    if not notices.admins:
        yield Finding("warn", "no-admins", "notices.admins")
    elif mail.host:
        yield Finding("good", "admins", "notices.admins")
    if not notices.managers:
        yield Finding("note", "no-managers", "notices.managers")
    mute = senders.senders_that_cannot(notices.text_sender, configuration.our_numbers)
    if mute:
        yield Finding("warn", "text-landline", "notices.text_sender", {"sender": ", ".join(mute)})
    if not senders.invites_answers(notices.text_sender):
        yield Finding("note", "text-sender", "notices.text_sender", {"sender": notices.text_sender})
    if not configuration.letters.office_phone and not configuration.letters.office_email:
        yield Finding("note", "letters-office", "letters.office_phone")
    told = [configuration.tickets.mail, *(each.tickets for each in configuration.number)]
    if any(told) and not mail.host:
        yield Finding("warn", "tickets-no-mail", "tickets.mail")
    if configuration.reports.per_person:
        yield Finding("note", "per-person", "reports.per_person")
    if configuration.console.address:
        yield Finding("good", "console", "console.address", {"address": configuration.console.address})
    else:
        yield Finding("note", "console-here", "console.address", {"listen": configuration.console.listen})


def _files(configuration: Configuration) -> Iterator[Finding]:
    """What stands on the disk; asked now."""
    if readable := _readable_by_others(configuration):
        yield readable
    folder = configuration.folder / configuration.service.state
    writable = folder if folder.exists() else folder.parent
    if not os.access(writable, os.W_OK | os.X_OK):
        yield Finding("alarm", "state", "service.state", {"folder": folder})
    if configuration.backup.folder:
        yield Finding("good", "backup", "backup.folder", {"time": configuration.backup.at})
    else:
        yield Finding("warn", "no-backup", "backup.folder")
    for key, name in (
        ("mail.ca_file", configuration.mail.ca_file),
        ("letters.logo", configuration.letters.logo),
    ):
        if name and not (configuration.folder / name).is_file():
            yield Finding("warn", "no-file", key, {"file": name, "key": key})


def _readable_by_others(configuration: Configuration) -> Finding | None:
    """Whether others on this machine can read a file with secrets in it."""
    holds = any(
        where == "file"
        and key.startswith(("service.", "mail.password", "twilio.", "pins.", "backup.", "tickets."))
        for key, where in configuration.origin.items()
    )
    try:
        mode = configuration.file.stat().st_mode
    except OSError:
        return None
    if holds and configuration.file.is_file() and mode & (stat.S_IRWXG | stat.S_IRWXO):
        return Finding("warn", "open-file", "", {"file": configuration.file.name})
    return None
