"""The whole configuration: composed of each package's section, read once, then frozen."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from email.utils import parseaddr
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from console.tickets.settings import TicketSettings
from ivr.settings import (
    LANGUAGES,
    FloodSettings,
    HoursSettings,
    NumberSettings,
    PrivacySettings,
    UrgencySettings,
)
from oncall.phones import NumberRefused
from oncall.settings import CalendarSettings, NoticeSettings, ReportSettings, RingingSettings, TollSettings
from pins.settings import HashCost, LetterSettings, PinSettings, hex_of
from storage.settings import DatabaseSettings
from webhooks.settings import TwilioSettings

# Keys that hold secrets, and whether each is a list. All may stand in a file or in the environment.
SECRETS = {
    ("service", "keys"): True,
    ("service", "signing_key"): False,
    ("console", "oidc_client_secret"): False,
    ("mail", "password"): False,
    ("twilio", "auth_tokens"): True,
    ("twilio", "shared_keys"): True,
    ("pins", "peppers"): True,
    ("pins", "salt"): False,
    ("backup", "sealing_keys"): True,
    ("watching", "metrics_token"): False,
    ("watching", "heartbeat"): False,
    ("tickets", "webhook"): False,
    ("tickets", "secrets"): True,
}


# What traces are sent with: the extra `opentelemetry`.
OTLP_NEEDS = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")

Section = TypeVar("Section", bound=BaseModel)


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of what it stands in
        return False


class ConfigurationRefused(Exception):
    """The configuration cannot be used. `mistakes` has one line each; no secret is among them."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


def _listen(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError("expected an address and port such as 127.0.0.1:8080")
    return value


class ServiceSettings(BaseModel):
    """What callers hear first, where we are reached, where files go."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    name: Annotated[str, Field(min_length=1, max_length=100)] = "Cloudfabric"
    public_url: str = ""
    listen: str = "127.0.0.1:8080"
    state: Path = Path("state")
    time_zone: str = "Europe/Rome"
    languages: Annotated[list[str], Field(min_length=1)] = ["it", "en", "de"]
    keys: list[SecretStr] = []
    signing_key: SecretStr = SecretStr("")
    # How the log is written: lines for people, or an object of JSON a line.
    log: Literal["text", "json"] = "text"
    workers: Annotated[int, Field(ge=1, le=32)] = 2
    threads: Annotated[int, Field(ge=1, le=64)] = 8

    @field_validator("public_url")
    @classmethod
    def plain_address(cls, value: str) -> str:
        if not value:
            return value
        parts = urlsplit(value)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.query:
            raise ValueError("expected an address such as https://ivr.example.net")
        if parts.fragment or parts.path.rstrip("/"):
            raise ValueError("expected an address without a path, such as https://ivr.example.net")
        return value.rstrip("/")

    @field_validator("listen")
    @classmethod
    def address_and_port(cls, value: str) -> str:
        return _listen(value)

    @field_validator("time_zone")
    @classmethod
    def known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError("expected a time zone such as Europe/Rome") from None
        return value

    @field_validator("languages")
    @classmethod
    def spoken(cls, value: list[str]) -> list[str]:
        if unknown := sorted(set(value) - set(LANGUAGES)):
            raise ValueError(f"expected some of {', '.join(LANGUAGES)}; got {', '.join(unknown)}")
        return value

    @field_validator("signing_key")
    @classmethod
    def long_key(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            hex_of(value, 32)
        return value

    @field_validator("keys")
    @classmethod
    def sealing_keys(cls, value: list[SecretStr]) -> list[SecretStr]:
        from cryptography.fernet import Fernet

        for key in value:
            try:
                Fernet(key.get_secret_value())
            except ValueError:
                raise ValueError(
                    "expected keys of 32 bytes in URL-safe base64; `ivr init` makes one"
                ) from None
        return value


class ConsoleSettings(BaseModel):
    """Where people reach the console. Without `address` it serves this machine alone, over plain http.

    With `oidc_issuer` people may log in by that identity provider, too; see `console.access.oidc`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    listen: str = "127.0.0.1:8081"
    address: str = ""
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    # Empty for a client without one, which PKCE alone protects.
    oidc_client_secret: SecretStr = SecretStr("")
    # The claim that is compared with a user's name when he comes for the first time.
    oidc_name: Literal["email", "preferred_username"] = "email"
    # What must stand in the claim `acr` or `amr`; empty: nothing is demanded.
    oidc_factor: str = ""

    @field_validator("address")
    @classmethod
    def https_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme != "https" or not parts.hostname or parts.username or parts.query):
            raise ValueError("expected an address such as https://console.example.net")
        if value and (parts.fragment or parts.path.rstrip("/")):
            raise ValueError("expected an address without a path, such as https://console.example.net")
        return value.rstrip("/")

    @field_validator("listen")
    @classmethod
    def address_and_port(cls, value: str) -> str:
        return _listen(value)

    @field_validator("oidc_issuer")
    @classmethod
    def issuer(cls, value: str) -> str:
        parts = urlsplit(value)
        here = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
        if value and (not (parts.scheme == "https" or here) or not parts.hostname or parts.username):
            raise ValueError("expected an issuer such as https://login.example.net/realms/company")
        if parts.query or parts.fragment:
            raise ValueError("expected an issuer without query or fragment")
        if value and find_spec("authlib") is None:
            raise ValueError("needs the extra: pip install 'after-hours-ivr[oidc]'")
        return value

    @model_validator(mode="after")
    def whole_client(self) -> Self:
        if bool(self.oidc_issuer) != bool(self.oidc_client_id):
            raise ValueError("oidc_client_id: expected together with oidc_issuer")
        return self


class MailSettings(BaseModel):
    """The mail server that takes our letters and alarms. Without `host` no mail is sent.

    `security`: "starttls" or "tls", both with a verified certificate; "none" only on this machine.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    host: str = ""
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: SecretStr = SecretStr("")
    # "ivr@example.net", or "Example after hours <ivr@example.net>".
    sender: str = ""
    # Certificates to believe instead of the system's authorities: a company's own, in PEM form.
    ca_file: str = ""

    @model_validator(mode="after")
    def whole(self) -> Self:
        address = parseaddr(self.sender)[1]
        if self.sender and not (re.fullmatch(r"[^@\s]+@[^@\s]+", address) and self.sender.isprintable()):
            raise ValueError('sender: expected an address such as "ivr@example.net"')
        if self.host and not self.sender:
            raise ValueError('sender: expected an address such as "ivr@example.net"')
        if self.security == "none" and self.host not in ("", "localhost", "127.0.0.1", "::1"):
            raise ValueError('security: "none" is for a server on this machine only')
        if self.user and not self.password.get_secret_value():
            raise ValueError("password: missing for this user")
        return self


class BackupSettings(BaseModel):
    """What backups are sealed with, and the one that the worker writes each day into `folder`, at `at` by the
    wall clock; empty: it writes none. `keep`: as many stay there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    sealing_keys: Annotated[list[SecretStr], Field(max_length=16)] = []
    folder: str = ""
    at: str = "03:30"
    keep: Annotated[int, Field(ge=1, le=3650)] = 14

    @field_validator("sealing_keys")
    @classmethod
    def long_keys(cls, value: list[SecretStr]) -> list[SecretStr]:
        for key in value:
            hex_of(key, 32)
        return value

    @field_validator("at")
    @classmethod
    def wall_clock(cls, value: str) -> str:
        if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", value):
            raise ValueError("expected a time such as 03:30")
        return value

    @model_validator(mode="after")
    def sealed(self) -> Self:
        if self.folder and not self.sealing_keys:
            raise ValueError("sealing_keys: missing for the backups in this folder")
        return self


class DoctorSettings(BaseModel):
    """When `ivr doctor` looks by itself, by the wall clock ("": never), and what the account at Twilio is to
    have left, in its own currency: less than `balance_yellow` is said, less than `balance_red` is grave.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    at: str = "16:00"
    balance_yellow: Annotated[float, Field(ge=0, le=1_000_000)] = 25
    balance_red: Annotated[float, Field(ge=0, le=1_000_000)] = 10

    @field_validator("at")
    @classmethod
    def wall_clock(cls, value: str) -> str:
        if value and not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", value):
            raise ValueError('expected a time such as 16:00, or ""')
        return value

    @model_validator(mode="after")
    def graver_is_less(self) -> Self:
        if self.balance_red > self.balance_yellow:
            raise ValueError("balance_red: expected no more than balance_yellow")
        return self


class WatchingSettings(BaseModel):
    """Who may read the metrics beside this machine itself: whoever brings `metrics_token`. And the address
    that hears every `heartbeat_every` seconds that all is well, https or on this machine; it is a secret,
    because whoever knows it can say so in our place. Empty: nobody, none. `otlp` is where a collector of
    traces is; see `console.watching.tracing`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    metrics_token: SecretStr = SecretStr("")
    heartbeat: SecretStr = SecretStr("")
    heartbeat_every: Annotated[int, Field(ge=10, le=86_400)] = 60
    otlp: str = ""

    @field_validator("metrics_token")
    @classmethod
    def long_token(cls, value: SecretStr) -> SecretStr:
        token = value.get_secret_value()
        if token and not re.fullmatch(r"[!-~]{24,200}", token):
            raise ValueError(
                "expected 24 characters or more, without blanks; `openssl rand -hex 24` makes some"
            )
        return value

    @field_validator("heartbeat")
    @classmethod
    def https_or_here(cls, value: SecretStr) -> SecretStr:
        address = value.get_secret_value()
        expected = "expected an https address, or one on this machine such as http://127.0.0.1:9000/on"
        try:
            parts = urlsplit(address)
            sound = parts.port != 0 and bool(parts.hostname) and not (parts.username or parts.password)
        except ValueError:
            raise ValueError(expected) from None
        here = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
        if address and not (sound and (here or parts.scheme == "https") and re.fullmatch(r"[!-~]+", address)):
            raise ValueError(expected)
        return value

    @field_validator("otlp")
    @classmethod
    def collector(cls, value: str) -> str:
        if not value:
            return value
        expected = "expected a collector's address such as http://127.0.0.1:4318, without a user or a query"
        try:
            parts = urlsplit(value)
            sound = parts.port != 0 and bool(parts.hostname) and parts.scheme in ("https", "http")
        except ValueError:
            raise ValueError(expected) from None
        if not sound or parts.username is not None or parts.password is not None:
            raise ValueError(expected)
        if parts.query or parts.fragment or not re.fullmatch(r"[!-~]+", value):
            raise ValueError(expected)
        if not all(_is_installed(each) for each in OTLP_NEEDS):
            raise ValueError("needs the extra: pip install 'after-hours-ivr[opentelemetry]'")
        return value


class RehearsalSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    cost: HashCost = HashCost(memory_kib=64, passes=1)


# Where a value comes from; what is not given is a default.
Origin = Literal["file", "environment", "secret-file"]


class Configuration(BaseModel):
    """Everything in force. `folder` is where the file stands: relative paths start there. `origin` says of
    each key that was given, by its dotted path as in "number.0.office", where it comes from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    service: ServiceSettings = ServiceSettings()
    console: ConsoleSettings = ConsoleSettings()
    twilio: TwilioSettings = TwilioSettings()
    database: DatabaseSettings = DatabaseSettings()
    hours: HoursSettings = HoursSettings()
    number: Annotated[list[NumberSettings], Field(min_length=1)]
    urgency: UrgencySettings
    pins: PinSettings = PinSettings()
    ringing: RingingSettings = RingingSettings()
    flood: FloodSettings = FloodSettings()
    toll: TollSettings = TollSettings()
    notices: NoticeSettings = NoticeSettings()
    calendars: CalendarSettings = CalendarSettings()
    reports: ReportSettings = ReportSettings()
    mail: MailSettings = MailSettings()
    letters: LetterSettings = LetterSettings()
    tickets: TicketSettings = TicketSettings()
    privacy: PrivacySettings = PrivacySettings()
    backup: BackupSettings = BackupSettings()
    doctor: DoctorSettings = DoctorSettings()
    watching: WatchingSettings = WatchingSettings()
    rehearsal: RehearsalSettings = RehearsalSettings()
    folder: Path = Field(default=Path(), exclude=True)
    file: Path = Field(default=Path(), exclude=True)
    origin: dict[str, Origin] = Field(default={}, exclude=True, repr=False)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.service.time_zone)

    @property
    def our_numbers(self) -> list[str]:
        return [number.number for number in self.number]

    @model_validator(mode="after")
    def numbers_agree(self) -> Self:
        wrong = _disagreements(list(enumerate(self.number)), self.service.languages, self.ringing)
        if wrong:
            raise ValueError("\n".join(wrong))
        # What may be dialled depends on which numbers are ours; the model is frozen from here on.
        self.__dict__["ringing"] = self.ringing.beside(self.our_numbers)
        return self

    def missing_for_calls(self) -> list[str]:
        """The settings without which no call can be served, by dotted path."""
        needed = {
            "service.public_url": self.service.public_url,
            "service.keys": self.service.keys,
            "twilio.account_sid": self.twilio.account_sid,
            "twilio.auth_tokens": self.twilio.auth_tokens,
            "pins.peppers": self.pins.peppers,
            "pins.salt": self.pins.salt.get_secret_value(),
        }
        return [path for path, value in needed.items() if not value]


def _disagreements(
    numbers: list[tuple[int, NumberSettings]], languages: list[str], ringing: RingingSettings
) -> list[str]:
    """What is wrong between sections; each number comes with its place in the file."""
    ours = [number.number for _, number in numbers]
    wrong: list[str] = []
    if len(set(ours)) != len(ours):
        wrong.append("number: a number stands more than once")
    for place, number in numbers:
        if number.language not in languages:
            wrong.append(f"number.{place}.language: {number.language!r} is not among service.languages")
        for phone in number.office:
            if phone in ours:
                wrong.append(f"number.{place}.office: {phone} is one of our own numbers: that would go round")
                continue
            try:
                ringing.check_number(phone)
            except NumberRefused as error:
                wrong.append(f"number.{place}.office: {error}")
    if ringing.caller_id != "called" and ringing.caller_id not in ours:
        wrong.append('ringing.caller_id: expected "called" or one of our own numbers')
    return wrong


def _disagreements_of_what_is_sound(raw: dict[str, Any]) -> list[str]:
    """The same in a file with other mistakes, as far as its sections can be read one by one."""

    def sound(model: type[Section], value: object) -> Section | None:
        try:
            return model.model_validate(value)
        except ValidationError:
            return None

    entries = raw.get("number")
    read = enumerate(sound(NumberSettings, each) for each in entries) if isinstance(entries, list) else ()
    service = sound(ServiceSettings, raw.get("service", {}))
    languages = service.languages if service else list(LANGUAGES)
    ringing = sound(RingingSettings, raw.get("ringing", {})) or RingingSettings()
    return _disagreements([(place, number) for place, number in read if number], languages, ringing)


def load(path: Path, environment: Mapping[str, str] | None = None) -> Configuration:
    """Read a configuration file. Raises ConfigurationRefused with every mistake in it."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationRefused([f"{path} does not exist; `ivr init` writes one"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationRefused([f"{path} cannot be read: {type(error).__name__}"]) from None
    return understood(text, path, environment)


def understood(text: str, path: Path, environment: Mapping[str, str] | None = None) -> Configuration:
    """What the file `path` says if it holds `text`. Raises ConfigurationRefused with every mistake in it."""
    try:
        raw = tomllib.loads(text)
        origin: dict[str, Origin] = dict.fromkeys(_given(raw), "file")
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationRefused([f"{path} is not TOML: {error}"]) from None
    except (ValueError, RecursionError):
        # A number of thousands of digits, brackets in thousands of brackets.
        why = "is not TOML that can be read: a number is too long, or brackets are too deep"
        raise ConfigurationRefused([f"{path} {why}"]) from None
    file = path.resolve()
    environment = os.environ if environment is None else environment
    mistakes = _fetch_secrets(raw, file.parent, environment, origin)
    about = {"folder": file.parent, "file": file, "origin": origin}
    try:
        configuration = Configuration.model_validate({**raw, **about})
    except ValidationError as error:
        mistakes += _readable(error)
        mistakes += [each for each in _disagreements_of_what_is_sound(raw) if each not in mistakes]
    if mistakes:
        raise ConfigurationRefused(mistakes)
    return configuration


def variable_of(section: str, key: str) -> str:
    """The environment variable that a secret may stand in."""
    return f"IVR_{section}_{key}".upper()


def _given(value: Any, path: str = "") -> Iterator[str]:
    """The dotted path of every key in a file; tables of a list by their place."""
    if isinstance(value, dict):
        items = [(str(key), each) for key, each in value.items()]
    elif isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        items = [(str(place), each) for place, each in enumerate(value)]
    else:
        yield path
        return
    for key, each in items:
        yield from _given(each, f"{path}.{key}" if path else key)


def _fetch_secrets(
    raw: dict[str, Any], folder: Path, environment: Mapping[str, str], origin: dict[str, Origin]
) -> list[str]:
    """Put secrets from files and the environment in their places, and into `origin`; the environment wins."""
    mistakes: list[str] = []
    for (section, key), several in SECRETS.items():
        table = raw.setdefault(section, {})
        if not isinstance(table, dict):
            continue
        found = environment.get(variable_of(section, key))
        file = table.pop(f"{key}_file", None)
        if found is not None:
            origin[f"{section}.{key}"] = "environment"
        elif file is not None:
            origin[f"{section}.{key}"] = "secret-file"
        if found is None and file is not None:
            try:
                found = (folder / str(file)).read_text(encoding="ascii")
            except (OSError, UnicodeDecodeError):
                mistakes.append(f"{section}.{key}_file: expected a readable file, one secret a line")
                continue
        if found is not None:
            words = found.replace(",", " ").split()
            table[key] = words if several else "".join(words)
    return mistakes


def _readable(error: ValidationError) -> list[str]:
    """Path and expectation of each mistake. Never the input: a missing field's is the whole table."""
    lines: list[str] = []
    for each in error.errors(include_url=False, include_input=False, include_context=False):
        # A key may be the empty text: that too is named.
        path = ".".join(str(part) or '""' for part in each["loc"])
        text = each["msg"].removeprefix("Value error, ")
        lines += [f"{path}: {line}" if path else line for line in text.splitlines()]
    return lines
