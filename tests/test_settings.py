"""The configuration: complete as shipped, every mistake reported at once, no secret ever printed."""

from __future__ import annotations

import re
import stat
import tomllib
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from making import ACCOUNT, EXAMPLE, PEPPER, SALT, SEAL, SECRETS, TOKEN, configuration, with_lines
from pydantic import BaseModel

from console.commands import ivr
from console.settings import Configuration, ConfigurationRefused, load

SHIPPED = EXAMPLE.read_text(encoding="utf-8")
NONE: dict[str, str] = {}


def refused(folder: Path, text: str, environment: dict[str, str] = NONE) -> list[str]:
    """The mistakes found in a configuration of this text."""
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationRefused) as error:
        load(path, environment)
    return error.value.mistakes


# -- as shipped ------------------------------------------------------------------------------------


def test_the_example_is_valid_as_it_stands() -> None:
    shipped = load(EXAMPLE, NONE)
    assert [number.number for number in shipped.number] == ["+390461825060", "+390461402406", "+390465324963"]
    assert {number.rota for number in shipped.number} == {"duty"}
    assert all(number.office for number in shipped.number)
    assert shipped.hours.pin_windows == ["18:30-08:00", "13:00-14:00"]
    assert shipped.hours.closed_days == ["saturday", "sunday"]
    assert shipped.hours.special_day == []
    assert shipped.notices.admins == shipped.notices.managers == []
    assert [(level.code, level.within, level.key) for level in shipped.urgency.level] == [
        ("P1+", 60, "1"),
        ("P1", 120, "2"),
        ("P2", 240, "3"),
        ("P3", None, None),
        ("P4", None, None),
        ("P7", None, None),
    ]
    assert not shipped.urgency.prepaid_counts
    assert not shipped.urgency.connect_without_contract
    assert not shipped.pins.cost.weaker_than_default()


def test_what_serving_needs_is_missing_from_the_example() -> None:
    assert load(EXAMPLE, NONE).missing_for_calls() == [
        "service.public_url",
        "service.keys",
        "twilio.account_sid",
        "twilio.auth_tokens",
        "pins.peppers",
        "pins.salt",
    ]


def test_nothing_is_missing_once_it_is_filled_in(tmp_path: Path) -> None:
    assert configuration(tmp_path).missing_for_calls() == []


def keys_of(model: type[BaseModel], above: str = "") -> Iterator[str]:
    """Every key of a model by its dotted path; a list of tables counts as one."""
    for name, field in model.model_fields.items():
        if field.exclude:
            continue
        path = f"{above}{name}"
        inner = [each for each in (field.annotation, *nested(field.annotation)) if is_model(each)]
        if inner:
            yield from keys_of(inner[0], f"{path}.")
        else:
            yield path


def nested(annotation: object) -> list[object]:
    return [inner for each in typing.get_args(annotation) for inner in (each, *nested(each))]


def is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def keys_in(document: dict[str, object], above: str = "") -> set[str]:
    found: set[str] = set()
    for name, value in document.items():
        path = f"{above}{name}"
        tables = value if isinstance(value, list) else [value]
        if (
            all(isinstance(each, dict) for each in tables)
            and tables
            and not path.endswith(
                ("menu", "spoken", "definition", "letters.privacy", "letters.closing", "services", "absences")
            )
        ):
            for each in tables:
                found |= keys_in(each, f"{path}.")
        else:
            found.add(path)
    return found


def uncommented(text: str) -> str:
    """The text with its commented-out settings in force."""
    return re.sub(r"(?m)^# (?=\[\[|[a-z_]+ = )", "", text)


def test_every_key_stands_in_the_example_and_no_other() -> None:
    assert keys_in(tomllib.loads(uncommented(SHIPPED))) == set(keys_of(Configuration))


def test_its_commented_out_settings_are_valid_too(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(uncommented(SHIPPED), encoding="utf-8")
    found = load(path, NONE)
    assert found.twilio.api_base
    assert found.hours.special_day
    assert found.notices.admins


def test_the_example_holds_the_defaults() -> None:
    shipped = load(EXAMPLE, NONE)
    for name, field in Configuration.model_fields.items():
        if not field.exclude and name not in ("number", "urgency"):
            default = field.get_default(call_default_factory=True)
            assert getattr(shipped, name).model_dump() == default.model_dump(), name


def test_where_each_value_comes_from(tmp_path: Path) -> None:
    text = with_lines(EXAMPLE.read_text("utf-8"), keys='["' + SEAL + '"]', salt='"x"')
    text = text.replace("peppers = []", 'peppers_file = "peppers"').replace("rings = 25\n", "", 1)
    (tmp_path / "config.toml").write_text(text, "utf-8")
    (tmp_path / "peppers").write_text(PEPPER, "ascii")
    found = load(tmp_path / "config.toml", {"IVR_PINS_SALT": SALT})
    assert found.file == tmp_path / "config.toml"
    asked = (
        "service.keys",
        "pins.peppers",
        "pins.salt",
        "ringing.rings",
        "number.1.office",
        "pins.cost.passes",
    )
    told = ["file", "secret-file", "environment", None, "file", "file"]
    assert [found.origin.get(path) for path in asked] == told


def test_paths_start_at_the_file(tmp_path: Path) -> None:
    assert configuration(tmp_path).folder == tmp_path


# -- what init writes ------------------------------------------------------------------------------

ONCE = ("public_url", "account_sid", "auth_tokens", "api_base")


@pytest.fixture
def initiated(tmp_path: Path) -> Path:
    path = tmp_path / "place" / "config.toml"
    done = CliRunner().invoke(ivr, ["--config", str(path), "init"])
    assert done.exit_code == 0, done.output
    return path


@pytest.mark.parametrize("key", ONCE)
def test_init_writes_what_scripts_replace_once(initiated: Path, key: str) -> None:
    text = initiated.read_text(encoding="utf-8")
    assert len(re.findall(rf"\b{key}\b", text)) == 1
    assert len(re.findall(rf"(?m)^(?:# )?{key} = \S.*$", text)) == 1


def test_init_writes_each_listen_once(initiated: Path) -> None:
    text = initiated.read_text(encoding="utf-8")
    sections = re.split(r"(?m)^(?=\[)", text)
    for name in ("service", "console"):
        (section,) = [each for each in sections if each.startswith(f"[{name}]")]
        assert len(re.findall(r"(?m)^listen = ", section)) == 1
    assert len(re.findall(r"\blisten\b", text)) == 2


def test_init_makes_secrets_that_only_the_owner_reads(initiated: Path) -> None:
    assert stat.S_IMODE(initiated.stat().st_mode) == 0o600
    assert stat.S_IMODE((initiated.parent / "ivr.db").stat().st_mode) == 0o600
    made = load(initiated, NONE)
    assert made.missing_for_calls() == ["service.public_url", "twilio.account_sid", "twilio.auth_tokens"]


def test_init_makes_other_secrets_each_time(initiated: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "config.toml"
    CliRunner().invoke(ivr, ["--config", str(other), "init"])
    first, second = load(initiated, NONE), load(other, NONE)
    assert first.pins.peppers != second.pins.peppers
    assert first.pins.salt != second.pins.salt
    assert first.service.keys != second.service.keys
    assert first.backup.sealing_keys != second.backup.sealing_keys


def written(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_second_init_is_refused_and_changes_nothing(initiated: Path) -> None:
    before = written(initiated.parent)
    again = CliRunner().invoke(ivr, ["--config", str(initiated), "init"])
    assert again.exit_code == 1
    assert "exists already" in again.stderr
    assert len(again.stderr.splitlines()) == 1
    assert written(initiated.parent) == before


# -- mistakes --------------------------------------------------------------------------------------

OUR_OFFICE = SHIPPED.replace('office = ["+390461000001"]', 'office = ["+390465324963"]', 1)
WRONG = {
    "an unknown section": (SHIPPED + "\n[telephone]\nx = 1\n", "telephone"),
    "an unknown key": (with_lines(SHIPPED, workers="2\nfoo = 1"), "service.foo"),
    "a wrong type": (with_lines(SHIPPED, workers='"many"'), "service.workers"),
    "too many workers": (with_lines(SHIPPED, workers="1000"), "service.workers"),
    "no port": (with_lines(SHIPPED, listen='"127.0.0.1"'), "service.listen"),
    "a port out of range": (with_lines(SHIPPED, listen='"127.0.0.1:70000"'), "service.listen"),
    "a port of another script": (with_lines(SHIPPED, listen='"127.0.0.1:²"'), "service.listen"),
    "an address with a path": (
        with_lines(SHIPPED, public_url='"https://ivr.example.net/x"'),
        "service.public_url",
    ),
    "an address without its scheme": (
        with_lines(SHIPPED, public_url='"ivr.example.net"'),
        "service.public_url",
    ),
    "an address with a user": (with_lines(SHIPPED, public_url='"https://u:p@x.net"'), "service.public_url"),
    "a zone that does not exist": (with_lines(SHIPPED, time_zone='"Europe/Trent"'), "service.time_zone"),
    "an unknown language": (with_lines(SHIPPED, languages='["fr"]'), "service.languages"),
    "no sealing key": (with_lines(SHIPPED, keys='["secret"]'), "service.keys"),
    "a connection override that is none": (with_lines(SHIPPED, connection='"xx=1"'), "twilio.connection"),
    "a time that Twilio does not wait": (with_lines(SHIPPED, connection='"tt=20000"'), "twilio.connection"),
    "an override twice": (with_lines(SHIPPED, connection='"ct=200&ct=300"'), "twilio.connection"),
    "another fallback in the clear": (
        with_lines(SHIPPED, fallback_url='"http://two.example.net/voice/fallback"'),
        "twilio.fallback_url",
    ),
    "an account of another kind": (with_lines(SHIPPED, account_sid='"SK123"'), "twilio.account_sid"),
    "a REST interface elsewhere": (
        SHIPPED.replace('# api_base = "http://127.0.0.1:4010"', 'api_base = "http://evil.example:1"'),
        "twilio.api_base",
    ),
    "a database of another kind": (with_lines(SHIPPED, url='"mysql://u:secretpw@h/n"'), "database.url"),
    "overlapping windows": (
        with_lines(SHIPPED, pin_windows='["18:30-08:00", "07:00-09:00"]'),
        "hours.pin_windows",
    ),
    "a window of no length": (with_lines(SHIPPED, pin_windows='["13:00-13:00"]'), "hours.pin_windows"),
    "a window to 24:00": (with_lines(SHIPPED, pin_windows='["18:30-24:00"]'), "hours.pin_windows"),
    "a day in Italian": (with_lines(SHIPPED, closed_days='["sabato"]'), "hours.closed_days"),
    "a region that does not exist": (with_lines(SHIPPED, holidays='"IT/XX"'), "hours.holidays"),
    "a number without its country": (with_lines(SHIPPED, number='"0461825060"'), "number.0.number"),
    "our own number as an office": (OUR_OFFICE, "number.0.office"),
    "an office that may not be dialled": (with_lines(SHIPPED, office='["+39899123456"]'), "number.0.office"),
    "a number twice": (with_lines(SHIPPED, number='"+390461402406"'), "number"),
    "a caller ID of somebody else": (with_lines(SHIPPED, caller_id='"+390461000001"'), "ringing.caller_id"),
    "a country of one's own making": (with_lines(SHIPPED, countries='["Italy"]'), "ringing.countries"),
    "a level without its minutes": (SHIPPED.replace("within = 60\n", ""), "urgency.level.0"),
    "a key twice": (with_lines(SHIPPED, key='"2"'), "urgency"),
    "an audit too short": (with_lines(SHIPPED, audit="30"), "privacy.audit"),
    "a weak pepper": (with_lines(SHIPPED, peppers=f'["{"00" * 32}"]'), "pins.peppers"),
    "a short salt": (with_lines(SHIPPED, salt='"abcd"'), "pins.salt"),
    "a weak token": (
        with_lines(SHIPPED, auth_tokens='["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]'),
        "twilio.auth_tokens",
    ),
    "an empty token": (with_lines(SHIPPED, auth_tokens='[""]'), "twilio.auth_tokens"),
    "not an e-mail address": (
        SHIPPED.replace('# admins = ["admin@example.net"]', 'admins = ["admin"]'),
        "notices.admins",
    ),
}


@pytest.mark.parametrize(("text", "path"), WRONG.values(), ids=WRONG.keys())
def test_a_mistake_is_named_by_its_path_and_alone(tmp_path: Path, text: str, path: str) -> None:
    (mistake,) = refused(tmp_path, text)
    assert mistake.startswith(path + ":") or mistake.startswith(path + ".")
    assert len(mistake) > len(path) + 10


def test_every_mistake_is_reported_at_once(tmp_path: Path) -> None:
    text = with_lines(
        OUR_OFFICE,
        listen='"nowhere"',
        time_zone='"Mars/Phobos"',
        pin_windows='["25:00-08:00"]',
        account_sid='"AC1"',
        rings="5",
        caller_numbers="0",
        salt='"abcd"',
    )
    paths = {mistake.split(":")[0] for mistake in refused(tmp_path, text)}
    assert paths >= {
        "service.listen",
        "service.time_zone",
        "hours.pin_windows",
        "twilio.account_sid",
        "ringing.rings",
        "privacy.caller_numbers",
        "pins.salt",
    }
    assert "number.0.office" in paths


SPOILT = {
    "pepper": with_lines(SHIPPED, peppers=f'["{PEPPER[:-1]}"]'),
    "salt": with_lines(SHIPPED, salt=f'"{SALT[:-1]}"'),
    "token": with_lines(SHIPPED, auth_tokens=f'["{TOKEN[:15]}"]'),
    "token as text": with_lines(SHIPPED, auth_tokens=f'"{TOKEN}"'),
    "seal": with_lines(SHIPPED, keys=f'["{SEAL[:-4]}"]'),
    "seal as text": with_lines(SHIPPED, keys=f'"{SEAL}"'),
    "salt as a list": with_lines(SHIPPED, salt=f'["{SALT}"]'),
    "password of the database": with_lines(SHIPPED, url='"mysql://user:' + TOKEN + '@host/name"'),
    "an address that is none": with_lines(SHIPPED, url=f'"{TOKEN}"'),
    "in the wrong place": with_lines(SHIPPED, workers=f'2\npepper = "{PEPPER}"'),
    "not even TOML": with_lines(SHIPPED, salt=SALT),
    "everything else wrong": with_lines(
        SHIPPED,
        salt=f'"{SALT}"',
        peppers=f'["{PEPPER}"]',
        keys=f'["{SEAL}"]',
        auth_tokens=f'["{TOKEN}"]',
        rings="1",
    ),
}


@pytest.mark.parametrize("text", SPOILT.values(), ids=SPOILT.keys())
def test_a_secret_is_never_printed(tmp_path: Path, text: str) -> None:
    shown = " ".join(refused(tmp_path, text))
    for secret in (PEPPER, SALT, TOKEN, SEAL):
        assert secret[:12] not in shown


def test_no_repr_of_the_configuration_shows_a_secret(tmp_path: Path) -> None:
    shown = repr(configuration(tmp_path)) + configuration(tmp_path).model_dump_json()
    for secret in (PEPPER, SALT, TOKEN, SEAL):
        assert secret[:12] not in shown


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "does not exist"), (b"\xff\xfe", "cannot be read"), (b"[service", "is not TOML")],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes | None, why: str) -> None:
    path = tmp_path / "config.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationRefused, match=why):
        load(path, NONE)


# -- secrets elsewhere -----------------------------------------------------------------------------


def test_secrets_from_the_environment(tmp_path: Path) -> None:
    found = configuration(tmp_path, SECRETS)
    assert [key.get_secret_value() for key in found.service.keys] == [SEAL]
    assert [token.get_secret_value() for token in found.twilio.auth_tokens] == [TOKEN]
    assert [pepper.get_secret_value() for pepper in found.pins.peppers] == [PEPPER]
    assert found.pins.salt.get_secret_value() == SALT


def test_two_tokens_from_the_environment(tmp_path: Path) -> None:
    found = configuration(tmp_path, {**SECRETS, "IVR_TWILIO_AUTH_TOKENS": f"{TOKEN}, {TOKEN[::-1]}"})
    assert [each.get_secret_value() for each in found.twilio.auth_tokens] == [TOKEN, TOKEN[::-1]]


def test_secrets_from_files_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    for name, content in (("salt", SALT), ("peppers", f"{PEPPER}\n{PEPPER[::-1]}\n"), ("tokens", TOKEN)):
        (tmp_path / "secrets" / name).write_text(content + "\n")
    text = (
        SHIPPED.replace('salt = ""', 'salt_file = "secrets/salt"')
        .replace("peppers = []", 'peppers_file = "secrets/peppers"')
        .replace("auth_tokens = []", 'auth_tokens_file = "secrets/tokens"')
    )
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    found = load(path, NONE)
    assert found.pins.salt.get_secret_value() == SALT
    assert [each.get_secret_value() for each in found.pins.peppers] == [PEPPER, PEPPER[::-1]]
    assert [each.get_secret_value() for each in found.twilio.auth_tokens] == [TOKEN]
    # The environment wins over a file, a file over the text.
    other = load(path, {"IVR_PINS_SALT": SALT[::-1]})
    assert other.pins.salt.get_secret_value() == SALT[::-1]


def test_a_secret_file_that_is_missing_is_reported_with_the_rest(tmp_path: Path) -> None:
    text = with_lines(SHIPPED.replace('salt = ""', 'salt_file = "no-such-file"'), rings="1")
    assert sorted(each.split(":")[0] for each in refused(tmp_path, text)) == [
        "pins.salt_file",
        "ringing.rings",
    ]


def test_a_weak_secret_from_the_environment_names_the_setting(tmp_path: Path) -> None:
    (mistake,) = refused(tmp_path, SHIPPED, {"IVR_PINS_SALT": "00" * 16})
    assert mistake.startswith("pins.salt: ")


@pytest.mark.parametrize("name", ["public_url", "account_sid"])
@pytest.mark.parametrize("part", [[], ["--only", "webhooks"]])
def test_nothing_is_served_while_something_is_missing(initiated: Path, name: str, part: list[str]) -> None:
    given = {
        "public_url": '"https://ivr.example.net"',
        "account_sid": f'"{ACCOUNT}"',
        "auth_tokens": f'["{TOKEN}"]',
    }
    del given[name]
    initiated.write_text(with_lines(initiated.read_text(encoding="utf-8"), **given), encoding="utf-8")
    done = CliRunner().invoke(ivr, ["--config", str(initiated), "serve", *part])
    assert done.exit_code == 1
    assert name in done.stderr
    assert TOKEN not in done.stderr


def test_a_cheap_hash_is_not_served(initiated: Path) -> None:
    text = with_lines(
        initiated.read_text(encoding="utf-8"),
        public_url='"https://ivr.example.net"',
        account_sid=f'"{ACCOUNT}"',
        auth_tokens=f'["{TOKEN}"]',
        cost="{ memory_kib = 8, passes = 2 }",
    )
    initiated.write_text(text, encoding="utf-8")
    done = CliRunner().invoke(ivr, ["--config", str(initiated), "serve"])
    assert done.exit_code == 1
    assert "pins.cost" in done.stderr
