"""`ivr doctor` as it is typed: exit code, table, JSON; and what it says of a house that is only begun."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from making import SECRETS, TOKEN, configuration, fresh_database, staff
from well_house import AUTHORITY, well_house

from console.commands import ivr
from console.doctor.examination import Examination
from console.doctor.finding import green, red, yellow
from console.doctor.told import document, lines


def run(folder: Path, *arguments: str, **environment: str) -> Result:
    config = str(folder / "config.toml")
    return CliRunner(env=environment).invoke(ivr, ["--config", config, *arguments])


def document_of(folder: Path, *arguments: str, **environment: str) -> tuple[int, dict[str, Any]]:
    result = run(folder, "doctor", "--json", *arguments, **environment)
    return result.exit_code, json.loads(result.stdout)


def keys(made: dict[str, Any], level: str) -> set[str]:
    return {each["key"] for each in made["findings"] if each["level"] == level}


def test_without_a_configuration_it_says_how_to_make_one(tmp_path: Path) -> None:
    result = run(tmp_path, "doctor")
    assert result.exit_code == 1
    assert "does not exist" in result.stdout
    assert "Run `ivr init`" in result.stdout
    code, made = document_of(tmp_path)
    assert (code, made["ok"]) == (1, False)
    assert keys(made, "red") == {"mistake.file"}


def test_every_mistake_in_the_configuration_is_a_finding(tmp_path: Path) -> None:
    made = configuration(tmp_path)
    text = made.file.read_text(encoding="utf-8")
    text = text.replace("workers = 2", "workers = 0").replace("Europe/Rome", "Europe/Trent")
    made.file.write_text(text, encoding="utf-8")
    code, told = document_of(tmp_path, **SECRETS)
    assert code == 1
    assert keys(told, "red") == {"mistake.service.workers", "mistake.service.time_zone"}


def test_a_house_fresh_from_init_is_told_what_is_missing(tmp_path: Path) -> None:
    assert run(tmp_path, "init").exit_code == 0
    before = sorted(each.name for each in tmp_path.rglob("*"))
    code, made = document_of(tmp_path)
    assert (code, made["ok"]) == (1, False)
    assert keys(made, "red") - {"full.state", "full.database"} == {
        "missing.service.public_url",
        "missing.twilio.account_sid",
        "missing.twilio.auth_tokens",
        "no-rota.duty",
        "snapshot-missing",
        "unpublished",
    }
    assert {"none", "no-mail.mail.host", "not-asked", "not-configured"} <= keys(made, "yellow")
    assert {"secrets", "files", "database"} <= keys(made, "green")
    assert all(each["remedy"] for each in made["findings"] if each["level"] != "green")
    # Looking makes nothing.
    assert sorted(each.name for each in tmp_path.rglob("*")) == before


def test_without_a_database_none_is_made(tmp_path: Path) -> None:
    configuration(tmp_path)
    code, made = document_of(tmp_path, "--offline", **SECRETS)
    assert code == 1
    (told,) = [each for each in made["findings"] if each["key"] == "database"]
    assert "ivr migrate" in told["remedy"]
    assert not (tmp_path / "ivr.db").exists()


def test_the_table_has_subjects_and_remedies_and_no_secret(tmp_path: Path) -> None:
    configuration(tmp_path)
    with fresh_database(tmp_path) as database, database.write() as connection:
        staff(connection)
    (tmp_path / "config.toml").chmod(0o644)
    result = run(tmp_path, "doctor", "--offline", **SECRETS)
    assert result.exit_code == 1
    said = result.stdout.splitlines()
    assert "secrets" in said
    assert any(line.startswith("  RED     pins.peppers 1 is not random") for line in said)
    assert any(line.startswith("          → ") for line in said)
    assert any(line.startswith("not looked at: public address, mail, ") for line in said)
    assert all(secret not in result.stdout for secret in (*SECRETS.values(), TOKEN))


def test_a_house_that_is_well_is_left_with_0(tmp_path: Path) -> None:
    """It believes the certificate as machines do: by the system's authorities, here another file of them."""
    authority = tmp_path / "authority.pem"
    AUTHORITY.cert_pem.write_to_path(authority)
    with well_house(tmp_path) as well:
        code, made = document_of(tmp_path, SSL_CERT_FILE=str(authority))
        assert keys(made, "red") == set()
        assert (code, made["ok"], made["not_looked_at"]) == (0, True, [])
        assert "address" in keys(made, "green")
        well.account.kind = "Trial"
        result = run(tmp_path, "doctor", SSL_CERT_FILE=str(authority))
        assert result.exit_code == 1
        assert "Upgrade it in Twilio's console" in result.stdout
        assert all(secret not in result.output for secret in well.secrets)


def test_json_and_table_of_an_examination() -> None:
    found = [red("full", "Full.", "Make room."), yellow("mute", "Mute.", "Speak."), green("fine", "Fine.")]
    subjects = ["disk", "mail", "clock"]
    made = Examination([replace(each, subject=s) for each, s in zip(found, subjects, strict=True)], ["rota"])
    assert document(made) == {
        "ok": False,
        "findings": [
            {"key": "full", "level": "red", "subject": "disk", "what": "Full.", "remedy": "Make room."},
            {"key": "mute", "level": "yellow", "subject": "mail", "what": "Mute.", "remedy": "Speak."},
            {"key": "fine", "level": "green", "subject": "clock", "what": "Fine.", "remedy": ""},
        ],
        "not_looked_at": ["rota"],
    }
    assert list(lines(made)) == [
        "disk",
        "  RED     Full.",
        "          → Make room.",
        "mail",
        "  yellow  Mute.",
        "          → Speak.",
        "clock",
        "  ok      Fine.",
        "not looked at: rota",
        "1 red, 1 yellow: would make tonight go wrong.",
    ]
