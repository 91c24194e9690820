"""The settings in the console: every key in words, values with their sources, no secret, what is risky."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from making import ACCOUNT, EXAMPLE, PEPPER, SALT, SEAL, SECRETS, TOKEN, with_lines
from playwright.sync_api import expect
from screens import Screen
from visitors import Console

from console import settings, settings_checks
from console.settings import Configuration
from console.web.context import KEY
from console.web.shown.settings import CHOICES, SECTIONS, keys_of
from console.web.words import LANGUAGES, texts

KEYS = list(keys_of(Configuration))


def serve(console: Console, text: str, environment: dict[str, str], folder: Path) -> None:
    """Let the console serve with a configuration of this text."""
    path = folder / "other.toml"
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    console.house = dataclasses.replace(console.house, configuration=settings.load(path, environment))
    console.app.extensions[KEY] = console.house


def row(page: str, path: str) -> str:
    """What stands at a key: its name, explanation, path, value and source."""
    found = re.search(rf'<tr id="key-{re.escape(path)}">.*?</tr>', page, re.DOTALL)
    assert found, path
    return " ".join(re.sub(r"<[^>]*>", " ", found[0]).split())


def names(configuration: Configuration, rotas: tuple[str, ...] = ("duty",)) -> list[str]:
    return [f"{each.level} {each.name}" for each in settings_checks.findings(configuration, rotas)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_key_has_a_name_and_an_explanation(language: str) -> None:
    known = texts(language)
    dashed = [key.replace(".", "-").replace("_", "-") for key in KEYS]
    assert [each for each in dashed if not known.get(f"settings.name-{each}")] == []
    assert [each for each in dashed if len(known.get(f"settings.about-{each}", "")) < 8] == []
    assert {key.partition(".")[0] for key in KEYS} == set(SECTIONS)
    stale = [name for name in known if re.match(r"settings\.about-(?!section)", name)]
    assert {each.removeprefix("settings.about-") for each in stale} == set(dashed)


def test_every_choice_has_words() -> None:
    offered = {
        "notices.confirm": ("off", "text", "call"),
        "mail.security": ("starttls", "tls", "none"),
        "ringing.caller_id": ("called",),
        "notices.text_sender": ("called",),
        "twilio.signatures": ("sha1", "sha256", "both"),
        "console.oidc_name": ("email", "preferred_username"),
        "service.log": ("text", "json"),
    }
    assert set(offered) == set(CHOICES)
    for key, values in offered.items():
        for value in values:
            assert f"settings.value-{key.replace('.', '-').replace('_', '-')}-{value}" in texts("it")


def test_every_finding_has_words() -> None:
    text = Path(settings_checks.__file__).read_text("utf-8")
    found = set(re.findall(r'Finding\(\s*"(?:alarm|warn|note|good)", "([a-z-]+)"', text))
    assert len(found) > 20
    for language in LANGUAGES:
        assert {name for name in found if f"settings.check-{name}" not in texts(language)} == set()


def test_values_are_told_in_words_with_their_units_and_sources(console: Console, tmp_path: Path) -> None:
    text = with_lines(EXAMPLE.read_text("utf-8"), rings="20", max_age_months="12")
    serve(console, text.replace("passes = 2\n", "", 1), SECRETS, tmp_path)
    page = console.visitor("reader").page("/settings")
    assert row(page, "ringing.rings").endswith("20 secondi predefinito: 25 secondi other.toml")
    assert row(page, "ringing.passes").endswith("2 valore predefinito")
    assert row(page, "pins.max_age_months").endswith("12 mesi predefinito: non scade other.toml")
    assert row(page, "hours.closed_days").endswith("sabato, domenica other.toml")
    assert row(page, "number.2.name").endswith("Tione other.toml")
    assert "[[number]] office" in row(page, "number.0.office")
    assert row(page, "pins.salt").endswith("impostato variabile d'ambiente IVR_PINS_SALT")
    assert row(page, "service.signing_key").endswith("manca other.toml")
    assert row(page, "notices.confirm").endswith("non si chiede other.toml")
    assert 'data-copy="pins.overlap_days"' in page
    assert str(tmp_path / "other.toml") in page


def test_no_secret_is_on_the_page(console: Console, tmp_path: Path) -> None:
    """None of those in the environment, in the file, in a file of its own, in an address."""
    text = with_lines(
        EXAMPLE.read_text("utf-8"),
        url='"postgresql://ivr:hunter22@db.example.net/calls?options=swordfish"',
        password='"opensesame"',
        user='"ivr"',
        host='"mail.example.net"',
        sender='"ivr@example.net"',
        signing_key=f'"{PEPPER}"',
    )
    text = text.replace("salt = ", "salt_file = 'salt' # ")
    absences = 'absences = { anna = "https://cal.example.net/secretpath" }'
    text += f'\n[calendars]\nhosts = ["cal.example.net"]\n{absences}\n'
    text = text.replace("[calendars]\n#", "#", 1).replace(
        "quiet = ", 'services = { paging = "tgram://tok/en" }\nquiet = '
    )
    (tmp_path / "salt").write_text(SALT, "ascii")
    serve(console, text, {name: value for name, value in SECRETS.items() if "SALT" not in name}, tmp_path)
    page = console.visitor("admin").page("/settings")
    hidden = (
        PEPPER,
        SALT,
        SEAL,
        TOKEN,
        "hunter22",
        "swordfish",
        "opensesame",
        "secretpath",
        "tgram",
        "tok/en",
    )
    assert [each for each in hidden if each in page] == []
    assert "PostgreSQL, db.example.net/calls" in row(page, "database.url")
    assert row(page, "pins.salt").endswith("impostato un file a parte, nominato in other.toml")
    assert "paging: impostato" in row(page, "notices.services")
    assert "anna: impostato" in row(page, "calendars.absences")
    assert row(page, "mail.password").endswith("impostato other.toml")


def test_what_is_missing_or_risky_is_said(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(EXAMPLE.read_text("utf-8"), "utf-8")
    bare = names(settings.load(tmp_path / "config.toml", {}))
    assert bare.count("alarm missing") == 6
    assert {"warn no-mail", "warn no-admins", "warn no-signing", "warn no-backup"} <= set(bare)
    assert "note console-here" in bare
    assert bare == sorted(
        bare, key=lambda each: ("alarm", "warn", "note", "good").index(each.partition(" ")[0])
    )

    text = with_lines(
        EXAMPLE.read_text("utf-8"),
        public_url='"http://ivr.example.net"',
        account_sid=f'"{ACCOUNT}"',
        cost="{ memory_kib = 64, passes = 1 }",
        rings="40",
        screen_without_pin="true",
        connect_without_contract="true",
        per_person="true",
        pin_windows="[]",
        holidays='""',
        office="[]",
        logo='"nothing.svg"',
        text_sender='"Helpdesk"',
        signing_key=f'"{PEPPER}"',
        state='"config.toml"',
    )
    (tmp_path / "config.toml").write_text(text, "utf-8")
    (tmp_path / "config.toml").chmod(0o644)
    found = set(names(settings.load(tmp_path / "config.toml", SECRETS), ()))
    assert {
        *("alarm no-rota", "alarm weak-cost", "warn plain-http", "warn voicemail", "warn screening"),
        *(
            "note without-contract",
            "note per-person",
            "warn no-windows",
            "warn no-holidays",
            "warn no-office",
        ),
        *("warn no-file", "note text-sender", "good signing", "warn open-file", "good calls"),
    } <= found
    assert not any("missing" in each for each in found)


def test_a_sound_configuration_is_said_to_be_sound(tmp_path: Path) -> None:
    text = with_lines(
        EXAMPLE.read_text("utf-8"),
        public_url='"https://ivr.example.net"',
        account_sid=f'"{ACCOUNT}"',
        address='"https://console.example.net"',
        signing_key=f'"{PEPPER}"',
        host='"mail.example.net"',
        sender='"ivr@example.net"',
        office_phone='"0461 000000"',
        text_sender='"+393511234567"',
        sealing_keys=f'["{PEPPER}"]',
        folder='"backups"',
    )
    text = text.replace("# admins =", "admins =").replace("# managers =", "managers =")
    (tmp_path / "config.toml").write_text(text, "utf-8")
    (tmp_path / "config.toml").chmod(0o600)
    found = names(settings.load(tmp_path / "config.toml", SECRETS))
    assert {each.partition(" ")[0] for each in found} == {"good"}


def test_a_finding_leads_to_its_key(screen: Screen) -> None:
    page = screen.open("/settings", "reader")
    page.get_by_role("link", name="vedi mail.host").click()
    expect(page.locator("tr:target")).to_have_id("key-mail.host")
