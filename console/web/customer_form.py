"""A customer's file as a form sends it: what its fields mean, and everything that is wrong with them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from console.settings import Configuration
from oncall import phones
from pins import customer_import
from pins.customer_card import FIELDS, Fault, card_of, changed, faults, fields_of
from pins.customer_import import National, Unreadable
from pins.customers import Customer

# What stands for a code that is made of the name when the customer is added.
_MADE_UP = "NEW"


@dataclass(frozen=True)
class Filled:
    """What was sent: the fields by name, as the verbs take them, and what is wrong with each."""

    fields: dict[str, Any]
    faults: dict[str, Fault]


def national(configuration: Configuration) -> National:
    """What reads telephone numbers without a country's code."""
    return partial(phones.from_keys, countries=configuration.ringing.countries)


def read(given: Mapping[str, str], configuration: Configuration, before: Customer | None) -> Filled:
    """The fields of a form, `contract-from` for `contract_from`; `before` is the customer it changes."""
    fields: dict[str, Any] = {}
    wrong: dict[str, Fault] = {}
    for name in FIELDS:
        text = given.get(name.replace("_", "-"), "").strip()
        if name == "letters_by_email":
            fields[name] = bool(text)
            continue
        try:
            fields[name] = customer_import.meant(name, text, national(configuration), new=before is None)
        except Unreadable as why:
            wrong[name] = Fault(name, str(why), why.reason, why.facts)
    if before is None:
        card = card_of({"name": "", **fields, "code": fields.get("code") or _MADE_UP})
    else:
        card = changed(before, fields)
    for fault in faults(card):
        wrong.setdefault(fault.field, fault)
    return Filled(fields, wrong)


def shown(customer: Customer) -> dict[str, str]:
    """The fields of a form that shows this customer."""
    fields = fields_of(customer)
    lines = {name: "\n".join(str(each) for each in fields[name]) for name in ("phones", "sites")}
    spoken = "" if customer.spoken_name == customer.name else customer.spoken_name
    plain = {name: "" if value is None else str(value) for name, value in fields.items()}
    by_email = "1" if customer.letters_by_email else ""
    filled = {**plain, **lines, "spoken_name": spoken, "letters_by_email": by_email}
    return {name.replace("_", "-"): text for name, text in filled.items()}


def version(customer: Customer) -> str:
    """Changes with every change of the file: by it a form knows that somebody was quicker."""
    text = json.dumps(fields_of(customer), default=str, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
