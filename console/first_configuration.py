"""The first configuration: the shipped file with fresh secrets, and what somebody answered put in its places.

Nothing else of the file changes: every comment stands where it stood.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.fernet import Fernet

from console.settings import ConfigurationRefused, understood


@dataclass(frozen=True)
class Line:
    """One of our numbers, as somebody sets it up."""

    number: str
    name: str
    office: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answers:
    """What `ivr init` asks. What is empty is left to be set later."""

    public_url: str
    name: str
    time_zone: str
    languages: tuple[str, ...]
    holidays: str
    countries: tuple[str, ...]
    lines: tuple[Line, ...]
    admins: tuple[str, ...] = ()
    account_sid: str = ""
    auth_token: str = ""

    def spoken_first(self, language: str) -> Answers:
        """The same with `language` before the others."""
        others = [each for each in self.languages if each != language]
        return replace(self, languages=(language, *others))


def example_path() -> Path:
    """`config.example.toml`: beside this package in a wheel, at the top of a checkout."""
    package = Path(__file__).parent
    inside = package / "config.example.toml"
    return inside if inside.exists() else package.parent / "config.example.toml"


def fresh(**lines: str) -> str:
    """The shipped configuration with fresh secrets. `lines` replace the values of keys that stand once, as
    TOML.
    """
    text = example_path().read_text(encoding="utf-8")
    lines = {
        "keys": f'["{Fernet.generate_key().decode()}"]',
        "signing_key": f'"{secrets.token_hex(32)}"',
        "peppers": f'["{secrets.token_hex(32)}"]',
        "salt": f'"{secrets.token_hex(16)}"',
        "sealing_keys": f'["{secrets.token_hex(32)}"]',
        **lines,
    }
    for key, value in lines.items():
        text = _with(text, key, value)
    return text


def write(path: Path, text: str) -> None:
    """Write a new file, readable by its owner alone. Raises FileExistsError, and OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)


def write_configuration(path: Path, **lines: str) -> None:
    """Write the shipped configuration with fresh secrets, and with `lines`; see `fresh` and `write`."""
    write(path, fresh(**lines))


# -- what somebody answered ----------------------------------------------------------------------


def shipped(text: str) -> Answers:
    """What the shipped file says by itself."""
    raw = tomllib.loads(text)
    service = raw["service"]
    return Answers(
        public_url=service["public_url"],
        name=service["name"],
        time_zone=service["time_zone"],
        languages=tuple(service["languages"]),
        holidays=raw["hours"]["holidays"],
        countries=tuple(raw["ringing"]["countries"]),
        lines=tuple(Line(each["number"], each["name"], tuple(each["office"])) for each in raw["number"]),
    )


def put(text: str, answers: Answers) -> str:
    """The shipped file with the answers in their places; as it was if they are what it says by itself."""
    values: dict[tuple[str, str], object] = {
        ("service", "name"): answers.name,
        ("service", "public_url"): answers.public_url,
        ("service", "time_zone"): answers.time_zone,
        ("service", "languages"): answers.languages,
        ("hours", "holidays"): answers.holidays,
        ("ringing", "countries"): answers.countries,
        ("twilio", "account_sid"): answers.account_sid,
    }
    if answers.auth_token:
        values["twilio", "auth_tokens"] = [answers.auth_token]
    if answers.admins:
        values["notices", "admins"] = answers.admins
    for (section, key), value in values.items():
        head, title, rest = text.partition(f"\n[{section}]\n")
        text = head + title + _with(rest, key, toml(value))
    return _numbers(text, answers)


def mistakes(text: str, path: Path) -> list[str]:
    """What is wrong with a configuration of this text; nothing secret is in it."""
    try:
        understood(text, path)
    except ConfigurationRefused as refused:
        return refused.mistakes
    return []


def toml(value: object) -> str:
    """A text, or a list of texts, as TOML."""
    # A text of JSON is one of TOML, but for one character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _with(text: str, key: str, value: str) -> str:
    """`text` with the first line `key = …` replaced. One that is only shown as a comment comes into force."""
    text, found = re.subn(rf"(?m)^(# )?{key} = .*$", lambda _: f"{key} = {value}", text, count=1)
    assert found, key
    return text


def _numbers(text: str, answers: Answers) -> str:
    """The first [[number]] explains its keys; those that follow it say the same without a word."""
    table = "[[number]]\n"
    head, *shown = text.split(table)
    last, section, rest = shown[-1].partition("\n[urgency]")
    first, second = shown[0], last.rstrip("\n") + "\n\n"
    made = []
    for place, line in enumerate(answers.lines):
        block = second if place else first
        values: dict[str, object] = {
            "number": line.number,
            "name": line.name,
            "language": answers.languages[0],
            "office": line.office,
            "holidays": answers.holidays,
        }
        for key, value in values.items():
            block = _with(block, key, toml(value))
        made.append(table + block)
    return head + "".join(made).rstrip("\n") + "\n" + section + rest
