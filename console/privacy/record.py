"""The record of processing (GDPR, art. 30) with the list of processors, printed from the configuration.

What no configuration knows, such as the controller's legal name, is marked for whoever completes it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

from console.privacy.kinds import KINDS
from console.settings import Configuration
from oncall.phones import printed

LANGUAGES = ("it", "en")


@cache
def words(language: str) -> Mapping[str, Mapping[str, Any]]:
    """The texts of one of LANGUAGES."""
    file = resources.files("console.privacy") / "words" / f"{language}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def document(configuration: Configuration, language: str, day: str) -> dict[str, Any]:
    """The record, fit for JSON: each section by its name. `day` is when it is printed."""
    texts = words(language)
    t, kinds = texts["record"], texts["kinds"]
    country = next(iter(configuration.ringing.countries), "")
    numbers = ", ".join(f"{printed(each.number, country)} ({each.name})" for each in configuration.number)
    backup, privacy = configuration.backup, configuration.privacy
    return {
        "title": t["title"],
        "lead": t["lead"].format(day=day),
        "controller": f"{configuration.service.name} {t['fill'].format(what=t['contact'])}",
        "purposes": t["purpose"].format(numbers=numbers),
        "basis": t["basis-text"],
        "people": t["people-text"],
        "data": [t["data-text"], t["recordings"]],
        "recipients": t["recipients-text"].format(
            managers=t["managers"] if configuration.notices.managers else ""
        ),
        "processors": list(_processors(configuration, t)),
        "transfers": t["transfers-text"],
        "retention": [
            {"kind": kind.name, "data": kinds[kind.name], "days": kind.days(privacy)} for kind in KINDS
        ],
        "beside": [
            t["backups"].format(keep=backup.keep) if backup.folder else t["no-backups"],
            t["deleted"] if privacy.delete_at_twilio else t["not-deleted"],
        ],
        "measures": list(t["measure-list"]),
    }


def _processors(configuration: Configuration, t: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Whoever handles something of these data for us, as far as the configuration tells. No secret in it."""

    def one(name: str, does: str, where: str = t["ask"]) -> dict[str, str]:
        return {"name": name, "does": does, "where": where}

    account = configuration.twilio.account_sid or "–"
    yield one(t["telephony"], t["telephony-does"].format(account=account), t["telephony-where"])
    if configuration.service.public_url:
        yield one(urlsplit(configuration.service.public_url).hostname or "", t["host-does"])
    if configuration.mail.host:
        here = configuration.mail.host in ("localhost", "127.0.0.1", "::1")
        yield one(configuration.mail.host, t["mail-does"], t["own"] if here else t["ask"])
    if configuration.notices.services:
        names = ", ".join(sorted(configuration.notices.services))
        yield one(t["ask"], t["services-does"].format(names=names))
    for host in configuration.calendars.hosts:
        yield one(host, t["calendars-does"])
    if configuration.console.oidc_issuer:
        yield one(urlsplit(configuration.console.oidc_issuer).hostname or "", t["oidc-does"])


def markdown(record: Mapping[str, Any], language: str) -> str:
    """The same, to be read and completed."""
    t = words(language)["record"]
    lines = [f"# {record['title']}", "", record["lead"]]
    for name in ("controller", "purposes", "basis", "people", "data", "recipients"):
        told = record[name]
        lines += ["", f"## {t[name]}", "", *([told] if isinstance(told, str) else told)]
    lines += ["", f"## {t['processors']}", "", *_table((t["processor"], t["does"], t["where"]))]
    lines += [_row(each.values()) for each in record["processors"]]
    lines += ["", f"## {t['transfers']}", "", record["transfers"]]
    lines += ["", f"## {t['retention']}", "", *_table((t["kind"], t["kept"]))]
    lines += [_row((each["data"], str(each["days"]))) for each in record["retention"]]
    lines += ["", *record["beside"]]
    lines += ["", f"## {t['measures']}", "", *(f"- {each}" for each in record["measures"])]
    return "\n".join(lines) + "\n"


def _table(heads: tuple[str, ...]) -> list[str]:
    return [_row(heads), _row("---" for _ in heads)]


def _row(cells: Any) -> str:
    return f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |"
