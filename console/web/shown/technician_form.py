"""A technician as a form: what was typed, checked, as the entry that the roster takes; and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from werkzeug.datastructures import MultiDict

from console.settings import Configuration
from console.web.instants import day_of
from console.web.words import Words
from oncall import phones
from oncall.phones import NumberRefused
from oncall.rota.rota_file import TechnicianEntry
from oncall.settings import RingingSettings

_SPACES = re.compile(r"[\s().\-/]+")


@dataclass
class Form:
    """What was typed; `wrong` has what is wrong by the name of the field."""

    key: str
    name: str = ""
    spoken_name: str = ""
    phone: str = ""
    others: str = ""
    email: str = ""
    language: str = ""
    rings: str = ""
    services: list[str] = field(default_factory=list)
    first_day: str = ""
    last_day: str = ""
    reason: str = ""
    wrong: dict[str, str] = field(default_factory=dict)


def of_form(form: MultiDict[str, str]) -> Form:
    """What was typed, sound or not."""
    return Form(
        form.get("key", "").strip(),
        form.get("name", "").strip(),
        form.get("spoken-name", "").strip(),
        form.get("phone", "").strip(),
        form.get("other-phones", ""),
        form.get("email", "").strip(),
        form.get("language", ""),
        form.get("rings", "").strip(),
        [each for text in form.getlist("services") for each in text.split()],
        form.get("first-day", "").strip(),
        form.get("last-day", "").strip(),
        form.get("reason", ""),
    )


def of_entry(entry: Mapping[str, Any]) -> Form:
    """What `people.as_entry` says, as a form."""
    return Form(
        entry["key"],
        entry["name"],
        entry.get("spoken_name", ""),
        entry["phone"],
        "\n".join(entry["other_phones"]),
        entry.get("email", ""),
        entry.get("language", ""),
        str(entry.get("rings", "")),
        list(entry["services"]),
        str(entry.get("from", "")),
        str(entry.get("until", "")),
    )


def entry(form: Form, t: Words, configuration: Configuration) -> TechnicianEntry | None:
    """What was typed as an entry; None if it is not sound: `form.wrong` says why."""
    numbers = [("phone", form.phone)] if form.phone else []
    numbers += [("other-phones", each.strip()) for each in form.others.splitlines() if each.strip()]
    if not form.phone:
        form.wrong["phone"] = t("technicians.wrong-phone")
    dialled: list[str] = []
    for name, text in numbers:
        try:
            dialled.append(_number(text, configuration.ringing))
        except NumberRefused as refused:
            countries = ", ".join(sorted(configuration.ringing.countries))
            why = t(f"technicians.number-{refused.why}", number=text, countries=countries)
            form.wrong[name] = " ".join(filter(None, [form.wrong.get(name, ""), why]))
    said: dict[str, Any] = {
        "key": form.key,
        "name": form.name,
        "phone": dialled[0] if dialled else "",
        "spoken_name": form.spoken_name or None,
        "other_phones": dialled[1:],
        "email": form.email or None,
        "language": form.language or None,
        "services": [each for each in form.services if each in configuration.notices.services],
    }
    if form.rings:
        said["rings"] = int(form.rings) if re.fullmatch("[0-9]{1,3}", form.rings) else -1
    for name, text in (("from", form.first_day), ("until", form.last_day)):
        if text:
            said[name] = day_of({name: text}, name)
            if said[name] is None:
                form.wrong[_FIELDS[name]] = t("technicians.wrong-day")
    try:
        made = TechnicianEntry.model_validate(said)
    except ValidationError as error:
        for each in error.errors():
            # What concerns several fields is about phones that stand twice, or days in the wrong order.
            several = "last-day" if "until" in each["msg"] else "other-phones"
            name = _FIELDS.get(str(each["loc"][0]), str(each["loc"][0])) if each["loc"] else several
            form.wrong.setdefault(name, t(f"technicians.wrong-{name}"))
        return None
    return None if form.wrong else made


_FIELDS = {
    "from": "first-day",
    "until": "last-day",
    "spoken_name": "spoken-name",
    "other_phones": "other-phones",
}


def _number(text: str, ringing: RingingSettings) -> str:
    """A phone as people write it, as it is dialled. Raises NumberRefused."""
    if text.startswith("sip:"):
        return ringing.check_number(text)
    return phones.from_keys(_SPACES.sub("", text), ringing.countries)


def pairs(form: Form) -> list[tuple[str, str]]:
    """The form as its fields, to be sent again."""
    return [
        ("key", form.key),
        ("name", form.name),
        ("spoken-name", form.spoken_name),
        ("phone", form.phone),
        ("other-phones", form.others),
        ("email", form.email),
        ("language", form.language),
        ("rings", form.rings),
        ("services", " ".join(form.services)),
        ("first-day", form.first_day),
        ("last-day", form.last_day),
        ("reason", form.reason),
    ]
