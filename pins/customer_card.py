"""What stands on a customer's file, and what may stand there. Pure."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, TypedDict

COVERAGES = ("contract", "prepaid", "none")
# Those the service can speak; a test holds them against the prompts'.
LANGUAGES = ("it", "en", "de")
LONGEST_NAME = 200
LONGEST_SITE = 120
LONGEST_ADDRESS = 1000
LONGEST_EMAIL = 254
LONGEST_NOTES = 10_000
MOST_PHONES = MOST_SITES = 200
MOST_MINUTES = 10_000_000
# Days outside these are slips of the hand.
FIRST_DAY, LAST_DAY = date(1990, 1, 1), date(2199, 12, 31)
# A contract that ends within so many days is to be talked about.
SOON = timedelta(days=60)
# PostgreSQL's index holds rows of 2,704 bytes.
LONGEST_FOUND_BY = 500

_CODE = re.compile(r"[A-Z0-9][A-Z0-9_-]{0,31}")
_LIKE_A_PIN = re.compile(r"[0-9]{8,}")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z0-9-]{2,63}")


class Standing(StrEnum):
    """How a customer's contract stands on a day."""

    RUNNING = "running"
    # It runs, and ends within SOON.
    ENDING = "ending"
    ENDED = "ended"
    # It begins later.
    AHEAD = "ahead"
    NONE = "none"
    # A prepaid package that holds, with minutes left in it or without.
    MINUTES = "minutes"
    NO_MINUTES = "no-minutes"


@dataclass(frozen=True)
class Contract:
    """What a customer has bought. Dates are inclusive, in the configured zone; None is open-ended.

    `minutes_left` counts for a prepaid package only.
    """

    coverage: str = "contract"
    starts: date | None = None
    until: date | None = None
    minutes_left: int | None = None

    def covers(self, day: date, *, prepaid_counts: bool) -> bool:
        """Whether an urgency that needs a contract is covered on `day`."""
        if (self.starts and day < self.starts) or (self.until and day > self.until):
            return False
        if self.coverage == "prepaid":
            return prepaid_counts and (self.minutes_left or 0) > 0
        return self.coverage == "contract"

    def standing(self, day: date) -> Standing:
        """How it stands on `day`. `customer_list.stands` says the same in SQL."""
        if self.coverage == "none":
            return Standing.NONE
        if self.until and self.until < day:
            return Standing.ENDED
        if self.starts and self.starts > day:
            return Standing.AHEAD
        if self.coverage == "prepaid":
            return Standing.MINUTES if (self.minutes_left or 0) > 0 else Standing.NO_MINUTES
        return Standing.ENDING if self.until and self.until <= day + SOON else Standing.RUNNING


@dataclass(frozen=True)
class Site:
    """A place where the customer's machines stand."""

    name: str
    address: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.address}" if self.address else self.name


@dataclass(frozen=True, kw_only=True)
class Card:
    """Everything on a customer's file but his id."""

    code: str
    name: str
    spoken_name: str
    language: str | None = None
    contract: Contract = Contract()
    phones: tuple[str, ...] = ()
    sites: tuple[Site, ...] = ()
    # Where letters go; lines are kept. By e-mail only if he has agreed to it.
    address: str = ""
    email: str = ""
    letters_by_email: bool = False
    notes: str = ""


class Changes(TypedDict, total=False):
    """Fields of a card by name; those that are not given stay as they are."""

    code: str
    name: str
    spoken_name: str
    language: str | None
    coverage: str
    contract_from: date | None
    contract_until: date | None
    minutes: int | None
    phones: Sequence[str]
    sites: Sequence[Site]
    address: str
    email: str
    letters_by_email: bool
    notes: str


FIELDS = tuple(Changes.__annotations__)


@dataclass(frozen=True)
class Fault:
    """What is wrong with a field of a card: `why` for the command line, `reason` and its `facts` for whoever
    says it in words of his own.
    """

    field: str
    why: str
    reason: str = dataclasses.field(default="", compare=False)
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict, compare=False)


def fields_of(card: Card) -> dict[str, Any]:
    """The card's fields by name, in the order of FIELDS."""
    contract = card.contract
    return {
        "code": card.code,
        "name": card.name,
        "spoken_name": card.spoken_name,
        "language": card.language,
        "coverage": contract.coverage,
        "contract_from": contract.starts,
        "contract_until": contract.until,
        "minutes": contract.minutes_left,
        "phones": card.phones,
        "sites": card.sites,
        "address": card.address,
        "email": card.email,
        "letters_by_email": card.letters_by_email,
        "notes": card.notes,
    }


def card_of(fields: Mapping[str, Any]) -> Card:
    """A card of these fields, tidied: no control characters, no blanks at the ends, everything once.

    A name to be spoken there always is: the name itself, if no other is given.
    """
    name = clean(fields["name"])
    return Card(
        code=fields["code"].upper(),
        name=name,
        spoken_name=clean(fields.get("spoken_name") or "") or name,
        language=fields.get("language") or None,
        contract=Contract(
            fields.get("coverage", "contract"),
            fields.get("contract_from"),
            fields.get("contract_until"),
            fields.get("minutes"),
        ),
        phones=tuple(sorted({*fields.get("phones", ())})),
        sites=_sites(fields.get("sites", ())),
        address=clean_lines(fields.get("address", "")),
        email=fields.get("email", "").strip(),
        letters_by_email=fields.get("letters_by_email", False),
        notes=clean_lines(fields.get("notes", "")),
    )


def changed(card: Card, changes: Mapping[str, Any]) -> Card:
    """The card with these fields changed. Who is spoken of by his name goes by the new one."""
    fields = fields_of(card) | dict(changes)
    if "spoken_name" not in changes and card.spoken_name == card.name:
        fields["spoken_name"] = ""
    return card_of(fields)


def differences(before: Card | None, after: Card) -> dict[str, list[Any]]:
    """Every field that is not as it was, with what it was and what it is, fit for JSON."""
    was = fields_of(before) if before else {}
    return {
        field: [_told(was.get(field)), _told(value)]
        for field, value in fields_of(after).items()
        if value != was.get(field) and (before or value)
    }


def faults(card: Card) -> list[Fault]:
    """Everything that is wrong with the card; what is wrong between fields only if each is sound."""
    return faults_of_fields(card) or faults_between_fields(card)


def faults_of_fields(card: Card) -> list[Fault]:
    """What is wrong with each field by itself."""
    contract = card.contract
    lengths = {"name": LONGEST_NAME, "spoken_name": LONGEST_NAME, "address": LONGEST_ADDRESS}
    lengths |= {"email": LONGEST_EMAIL, "notes": LONGEST_NOTES}
    found = [
        Fault(name, f"{name.replace('_', ' ')} has at most {longest} characters", "long", {"most": longest})
        for name, longest in lengths.items()
        # A name that is spoken as it is written is one mistake.
        if len(getattr(card, name)) > longest
        and not (name == "spoken_name" and card.name == card.spoken_name)
    ]
    if not _CODE.fullmatch(card.code):
        allowed = "1 to 32 of A–Z, 0–9, - and _, starting with a letter or digit"
        found.append(Fault("code", f"a customer's code is {allowed}", "code"))
    elif _LIKE_A_PIN.fullmatch(card.code):
        # A command that names such a customer would be refused: no PIN is given as an argument.
        why = "eight digits or more alone look like a PIN: put letters before them"
        found.append(Fault("code", why, "like-a-pin"))
    if not card.name:
        found.append(Fault("name", "a customer needs a name", "no-name"))
    if card.language is not None and card.language not in LANGUAGES:
        found.append(Fault("language", f"language is one of {', '.join(LANGUAGES)}", "choice"))
    if contract.coverage not in COVERAGES:
        found.append(Fault("coverage", f"coverage is one of {', '.join(COVERAGES)}", "choice"))
    for name, day in (("contract_from", contract.starts), ("contract_until", contract.until)):
        if day is not None and not FIRST_DAY <= day <= LAST_DAY:
            why = f"{day} is out of reach: a contract's dates lie between 1990 and 2199"
            found.append(Fault(name, why, "far-day"))
    if contract.minutes_left is not None and not 0 <= contract.minutes_left <= MOST_MINUTES:
        why = f"minutes are counted from 0 up to {MOST_MINUTES}"
        found.append(Fault("minutes", why, "minutes", {"most": MOST_MINUTES}))
    if bad := next((phone for phone in card.phones if not _E164.fullmatch(phone)), None):
        why = f"{bad!r} is not a telephone number in the form +390461123456"
        found.append(Fault("phones", why, "phone", {"phone": bad}))
    elif len(card.phones) > MOST_PHONES:
        found.append(
            Fault("phones", f"a customer has at most {MOST_PHONES} phones", "many", {"most": MOST_PHONES})
        )
    if card.email and not _EMAIL.fullmatch(card.email):
        why = f"{card.email!r} is not an e-mail address in the form name@example.net"
        found.append(Fault("email", why, "email"))
    return found + _faults_of_sites(card.sites)


def faults_between_fields(card: Card) -> list[Fault]:
    """What is wrong between fields that are sound by themselves."""
    found = []
    starts, until = card.contract.starts, card.contract.until
    if starts and until and until < starts:
        found.append(Fault("contract_until", "the contract ends before it starts", "backwards"))
    if card.letters_by_email and not card.email:
        found.append(Fault("letters_by_email", "letters by e-mail need an e-mail address", "no-email"))
    return found


def _faults_of_sites(sites: Sequence[Site]) -> list[Fault]:
    if len(sites) > MOST_SITES:
        return [Fault("sites", f"a customer has at most {MOST_SITES} sites", "many", {"most": MOST_SITES})]
    names = [site.name.casefold() for site in sites]
    for site in sites:
        if not site.name:
            return [Fault("sites", 'a site needs a name: "NAME: ADDRESS"', "site-name")]
        if len(site.name) > LONGEST_SITE or len(site.address) > LONGEST_ADDRESS:
            why = f"a site's name has at most {LONGEST_SITE} characters"
            return [Fault("sites", why, "site-long", {"most": LONGEST_SITE})]
        if ":" in site.name or "|" in f"{site.name}{site.address}":
            why = f"site {site.name!r}: neither : nor | may stand in a site's name"
            return [Fault("sites", why, "site-signs", {"site": site.name})]
        if names.count(site.name.casefold()) > 1:
            return [Fault("sites", f"site {site.name!r} is there twice", "site-twice", {"site": site.name})]
    return []


def site_of(text: str) -> Site:
    """A site as people write it: "NAME: ADDRESS", or "NAME" alone."""
    name, _, address = text.partition(":")
    return Site(clean(name), clean(address))


def folded(text: str) -> str:
    """As it is compared when somebody looks for it: small letters without marks, `"citta"` for `"Città"`."""
    if not text.isascii():
        text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(text.casefold().split())


def found_by(card: Card) -> str:
    """By what the customer is found and listed: his name, code and spoken name, folded, a line each. No two
    customers have the same, unless their names are as long as names can be.
    """
    parts = dict.fromkeys(folded(each) for each in (card.name, card.code, card.spoken_name))
    return "\n".join(parts)[:LONGEST_FOUND_BY]


def code_for(name: str, taken: set[str]) -> str:
    """A code made of the name that is not among `taken`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().upper()
    base = "".join(c for c in plain if c.isalnum())[:12] or "CUSTOMER"
    code, count = base, 1
    while code in taken:
        count += 1
        code = f"{base}-{count}"
    return code


def clean(text: str) -> str:
    """Without control characters and lone surrogates, which no XML and no log may hold."""
    kept = "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn") else c for c in text)
    return " ".join(kept.split())


def clean_lines(text: str) -> str:
    """The same, line by line; no blank lines at the ends."""
    return "\n".join(clean(line) for line in text.splitlines()).strip("\n")


def _sites(sites: Sequence[Site]) -> tuple[Site, ...]:
    tidied = {Site(clean(site.name), clean(site.address)) for site in sites}
    return tuple(sorted(tidied, key=lambda site: (site.name, site.address)))


def _told(value: Any) -> Any:
    if isinstance(value, tuple):
        return [str(each) for each in value]
    return value.isoformat() if isinstance(value, date) else value
