"""`ivr doctor` finds each planted fault, says what to do about it, and is content with a well house."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from making import ACTOR, everything_written
from pydantic import SecretStr
from well_house import DAY, OURS, STRANGER, Well, found, well_house

from console.doctor.examination import CHECKS, Check, examine
from console.doctor.finding import Finding, green
from console.doctor.look import Look
from console.processes.doors import webhook_app
from console.processes.standing_by import snapshot_file
from console.provisioning.memory import ADDRESS, STAND_IN
from ivr.own_voice import kept
from ivr.own_voice.checking import Prepared, digest_of
from oncall import people
from pins import customers, keyring, registry
from storage import due, dump, notebook
from storage.alarms import ALARM
from storage.tables import metadata
from webhooks.parameters import FINAL

FIRST = OURS[0]
NUMBERS, PUBLIC = "numbers at Twilio", "public address"


@pytest.fixture
def well(tmp_path: Path) -> Iterator[Well]:
    with well_house(tmp_path) as made:
        yield made


def test_a_house_that_is_well_has_nothing_red(well: Well) -> None:
    made = well.examined()
    assert [each for each in made.findings if each.level == "red"] == []
    # Only what cannot be otherwise here: Twilio is a stand-in, and landlines send no texts.
    yellow = {(each.subject, each.key) for each in made.findings if each.level == "yellow"}
    assert yellow == {("configuration", "api-base.twilio.api_base"), ("text messages", "mute")}
    assert made.ok
    assert made.unseen == []
    assert {each.subject for each in made.findings} == {check.subject for check in CHECKS}


def test_looking_changes_nothing(well: Well) -> None:
    rows, account = _rows(well), repr(well.account)
    files = sorted(str(each) for each in well.folder.rglob("*"))
    sealed = snapshot_file(well.house.configuration).read_bytes()
    real, statuses = well.door.app, []

    def app(environ: dict[str, Any], start: object) -> object:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        statuses.append(parse_qs(body.decode())["CallStatus"])
        return real({**environ, "wsgi.input": BytesIO(body)}, start)

    well.door.app = app
    well.examined()
    # A signed request and an unsigned one, neither of them the end of a call: only that is taken note of.
    assert statuses == [["ringing"]] * 2
    assert "ringing" not in FINAL
    assert _rows(well) == rows
    assert sorted(str(each) for each in well.folder.rglob("*")) == files
    assert repr(well.account) == account
    assert well.twilio.written == []
    assert snapshot_file(well.house.configuration).read_bytes() == sealed
    assert well.mail.post.received == []
    assert well.mail.post.logins == 1


def _rows(well: Well) -> list[Any]:
    """Every row of every table."""
    with well.house.database.read() as connection:
        return list(dump.lines(connection, metadata))


def test_no_secret_is_ever_told(well: Well) -> None:
    said = repr(well.examined().findings)
    well.configured("mail", password=SecretStr("not-the-password"))
    well.account.token = "0" * 32
    said += repr(well.examined().findings)
    for secret in [*well.secrets, "not-the-password"]:
        assert secret not in said


def test_offline_asks_nobody(well: Well) -> None:
    made = well.examined(offline=True)
    assert made.ok
    assert (well.twilio.asked, well.door.asked, well.mail.post.logins) == ([], 0, 0)
    assert set(made.unseen) == {check.subject for check in CHECKS if check.network}


# -- one fault each ----------------------------------------------------------------------------


def voice_application(well: Well) -> None:
    well.account.number(FIRST)["voice_application_sid"] = "AP" + "1" * 32


def wrong_address(well: Well) -> None:
    well.account.number(FIRST)["voice_url"] = "https://elsewhere.example.net/voice"


def own_fallback(well: Well) -> None:
    public = well.house.configuration.service.public_url
    well.account.number(FIRST)["voice_fallback_url"] = f"{public}/voice/fallback"


def no_fallback(well: Well) -> None:
    well.account.number(FIRST)["voice_fallback_url"] = None


def number_gone(well: Well) -> None:
    sid = well.account.number(FIRST)["sid"]
    del well.account.numbers[sid]


def method_get(well: Well) -> None:
    well.account.number(FIRST)["voice_method"] = "GET"


def trial(well: Well) -> None:
    well.account.kind = "Trial"


def suspended(well: Well) -> None:
    well.account.status = "suspended"


def poor(well: Well) -> None:
    well.account.balance = "3.10"


def low(well: Well) -> None:
    well.account.balance = "19.00"


def no_profile(well: Well) -> None:
    well.approved = False


def wrong_token(well: Well) -> None:
    well.twilio.token = "f" * 32


def closed_country(well: Well) -> None:
    well.account.countries["IT"] = False


def risky_country(well: Well) -> None:
    well.account.risky.append("SM")


def foreign_caller_id(well: Well) -> None:
    well.configured("ringing", caller_id="+390461999999")


def verified_caller_id(well: Well) -> None:
    well.account.verified.append("+390461999999")
    well.configured("ringing", caller_id="+390461999999")


def named_sender(well: Well) -> None:
    well.configured("notices", text_sender="Cloudfabric")


def open_config(well: Well) -> None:
    (well.folder / "config.toml").chmod(0o644)


def group_config(well: Well) -> None:
    (well.folder / "config.toml").chmod(0o640)


def open_state(well: Well) -> None:
    (well.folder / "state").chmod(0o755)


def no_snapshot(well: Well) -> None:
    snapshot_file(well.house.configuration).unlink()


def forged_snapshot(well: Well) -> None:
    file = snapshot_file(well.house.configuration)
    file.write_bytes(file.read_bytes()[:-1] + b"x")


def old_snapshot(well: Well) -> None:
    well.at += timedelta(minutes=11)


def older_snapshot(well: Well) -> None:
    well.at += timedelta(minutes=5)


def no_backup(well: Well) -> None:
    well.configured("backup", folder="")


def old_backup(well: Well) -> None:
    (file,) = (well.folder / "backups").iterdir()
    file.rename(file.with_name(f"ivr-{well.at - 3 * DAY:%Y-%m-%dT%H%M%SZ}.backup"))


def older_backup(well: Well) -> None:
    (file,) = (well.folder / "backups").iterdir()
    file.rename(file.with_name(f"ivr-{well.at - 8 * DAY:%Y-%m-%dT%H%M%SZ}.backup"))


def no_stand_in(well: Well) -> None:
    with well.house.database.write() as connection:
        notebook.remove(connection, STAND_IN)


def stale_stand_in(well: Well) -> None:
    until = (well.at + timedelta(hours=5)).isoformat()
    well.note(STAND_IN, {ADDRESS: "https://stand-in-1234.twil.io/voice", "covers_until": until})


def late_work(well: Well) -> None:
    begun = well.at - timedelta(minutes=30)
    with well.house.database.write() as connection:
        due.add(connection, begun, "case.pursue", "x", begun, {})


def waiting_alarm(well: Well) -> None:
    with well.house.database.write() as connection:
        due.add(connection, well.at - DAY, ALARM, "x:", well.at + DAY, {"what": "x"})


def _recorded(well: Well, text: str) -> None:
    sound = Prepared(b"RIFF", digest_of(b"RIFF"), 1.0, -20.0, -18.0, -15.0, 0.0)
    with well.house.database.write() as connection:
        where = {"number": "", "language": "it", "line": "goodbye"}
        kept.put(connection, ACTOR, well.at - DAY, **where, text=text, prepared=sound)


def worded_otherwise(well: Well) -> None:
    _recorded(well, "Addio.")


def not_everywhere(well: Well) -> None:
    _recorded(well, "Arrivederci.")
    with well.house.database.write() as connection:
        keyring.note_holder(connection, well.at - DAY, "elsewhere/127.0.0.1:8080", 1)


def hole(well: Well) -> None:
    with well.house.database.write() as connection:
        connection.execute(people.technicians.update().values(retired_at=well.at + 2 * DAY))


def far_hole(well: Well) -> None:
    with well.house.database.write() as connection:
        connection.execute(people.technicians.update().values(retired_at=well.at + 20 * DAY))


def bad_phone(well: Well) -> None:
    with well.house.database.write() as connection:
        connection.execute(people.technicians.update().values(phone="+8708123456", email=None))


def no_pin(well: Well) -> None:
    with well.house.database.write() as connection:
        customers.add_customer(connection, ACTOR, well.at, "Beta", code="BETA")


def ending_pin(well: Well) -> None:
    with well.house.database.write() as connection:
        connection.execute(registry.pins.update().values(expires_on=(well.at + 10 * DAY).date()))


def another_pepper(well: Well) -> None:
    well.configured("pins", peppers=[SecretStr("ab" * 16 + "0123456789abcdef" * 2)])


def weak_pepper(well: Well) -> None:
    well.configured("pins", peppers=[SecretStr("00" * 32)])


def same_key_twice(well: Well) -> None:
    well.configured("backup", sealing_keys=[well.house.configuration.service.signing_key])


def no_signing_key(well: Well) -> None:
    well.configured("service", signing_key=SecretStr(""))


def plain_http(well: Well) -> None:
    public = well.house.configuration.service.public_url
    well.configured("service", public_url=public.replace("https", "http"))


def mail_login(well: Well) -> None:
    well.configured("mail", password=SecretStr("not it"))


def mail_away(well: Well) -> None:
    well.configured("mail", port=1)


def full_disk(well: Well) -> None:
    _room(well, free=100_000_000)


def fuller_disk(well: Well) -> None:
    _room(well, free=1_000_000_000)


def no_files_left(well: Well) -> None:
    _room(well, free=10**11, files=3)


def _room(well: Well, free: int, files: int = 10**6) -> None:
    told = os.statvfs_result((4096, 4096, 10**9, free // 4096, free // 4096, 10**7, files, files, 0, 255))
    well.tools = type(well.tools)(well.tools.clock, lambda folder: told, well.tools.trust)


def clock_ahead(well: Well) -> None:
    clock = well.tools.clock
    well.tools = type(well.tools)(lambda: clock() + timedelta(seconds=90), well.tools.room, well.tools.trust)


def not_migrated(well: Well) -> None:
    with well.house.database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0006'")


def other_token(well: Well) -> None:
    """The door runs with another token than the configuration now has."""
    well.configured("twilio", auth_tokens=[SecretStr("0123456789abcdef0123456789abcdef")])


def a_proxy_that_unescapes(well: Well) -> None:
    real = well.door.app

    def app(environ: dict[str, str], start: object) -> object:
        return real({**environ, "QUERY_STRING": environ["QUERY_STRING"].replace("%2F", "/")}, start)

    well.door.app = app


def _answering(status: str) -> Callable[[Well], None]:
    def plant(well: Well) -> None:
        def app(environ: object, start: Callable[..., object]) -> list[bytes]:
            start(status, [("Location", "https://www.example.net/"), ("Content-Length", "0")])
            return [b""]

        well.door.app = app

    return plant


FAULTS: list[tuple[str, Callable[[Well], None], str, str, str, str]] = [
    (
        "wrong address",
        wrong_address,
        NUMBERS,
        "red",
        f"voice_url.{FIRST}",
        "ivr twilio provision",
    ),
    ("GET", method_get, NUMBERS, "red", f"voice_method.{FIRST}", "ivr twilio provision"),
    (
        "application",
        voice_application,
        NUMBERS,
        "red",
        f"voice_application_sid.{FIRST}",
        "--take-over",
    ),
    ("own fallback", own_fallback, NUMBERS, "red", f"fallback.{FIRST}", "fallback --publish"),
    ("no fallback", no_fallback, NUMBERS, "red", f"fallback.{FIRST}", "fallback --publish"),
    ("number gone", number_gone, NUMBERS, "red", f"absent.{FIRST}", "Buy it"),
    ("trial", trial, "Twilio's account", "red", "trial", "Upgrade"),
    ("suspended", suspended, "Twilio's account", "red", "inactive", "console"),
    ("poor", poor, "Twilio's account", "red", "balance", "Pay in"),
    ("low", low, "Twilio's account", "yellow", "balance", "Pay in"),
    ("no profile", no_profile, "Twilio's account", "yellow", "calls-at-once", "Trust Hub"),
    ("wrong token", wrong_token, "Twilio's account", "red", "not-reached", ""),
    ("closed country", closed_country, "countries", "red", "closed.IT", "Geo permissions"),
    ("risky country", risky_country, "countries", "yellow", "risky", "Geo permissions"),
    ("foreign caller ID", foreign_caller_id, "caller ID", "red", "foreign.+390461999999", "caller_id"),
    ("verified", verified_caller_id, "caller ID", "yellow", "verified-only.+390461999999", "hosted"),
    ("named sender", named_sender, "text messages", "yellow", "name", "text_sender"),
    ("open config", open_config, "files", "red", "open.configuration", "chmod 600"),
    ("group config", group_config, "files", "yellow", "group.configuration", "chmod 600"),
    ("open state", open_state, "files", "red", "open.state", "chmod 700"),
    ("no snapshot", no_snapshot, "snapshot", "red", "snapshot-missing", "ivr serve"),
    ("forged snapshot", forged_snapshot, "snapshot", "red", "snapshot-unsigned", "signing_key"),
    ("old snapshot", old_snapshot, "snapshot", "red", "snapshot-late", "ivr serve"),
    ("older snapshot", older_snapshot, "snapshot", "yellow", "snapshot-late", "ivr serve"),
    ("no backup", no_backup, "backups", "yellow", "not-configured", "[backup] folder"),
    ("old backup", old_backup, "backups", "yellow", "old", "ivr backup"),
    ("older backup", older_backup, "backups", "red", "too-old", "ivr backup"),
    ("no stand-in", no_stand_in, "stand-in", "red", "unpublished", "fallback --publish"),
    ("stale stand-in", stale_stand_in, "stand-in", "red", "stale", "fallback --publish"),
    ("worded otherwise", worded_otherwise, "recorded sentences", "yellow", "outdated", "ivr prompt remove"),
    ("not everywhere", not_everywhere, "recorded sentences", "yellow", "waiting", "rekey --forget"),
    ("late work", late_work, "work", "red", "late", "ivr serve"),
    ("waiting alarm", waiting_alarm, "work", "red", "alarms", "[mail]"),
    ("hole", hole, "rota", "red", "hole.duty", "ivr rota"),
    ("far hole", far_hole, "rota", "yellow", "hole.duty", "ivr rota"),
    ("bad phone", bad_phone, "rota", "red", "unreachable.duty", "ivr technician change"),
    ("no PIN", no_pin, "customers", "yellow", "without-pin", "ivr pin issue"),
    ("ending PIN", ending_pin, "customers", "yellow", "ending", "ivr pin rotate"),
    ("another pepper", another_pepper, "customers", "red", "keys", "Put the missing keys back"),
    ("weak pepper", weak_pepper, "secrets", "red", "weak.pins.peppers 1", "docs/secrets.md"),
    (
        "same key twice",
        same_key_twice,
        "secrets",
        "yellow",
        "twice.service.signing_key+backup.sealing_keys 1",
        "of its own",
    ),
    (
        "no signing key",
        no_signing_key,
        "configuration",
        "red",
        "no-signing.service.signing_key",
        "signing_key",
    ),
    ("plain http", plain_http, "configuration", "red", "plain-http", "https"),
    ("mail login", mail_login, "mail", "yellow", "mail", "[mail]"),
    ("mail away", mail_away, "mail", "yellow", "mail", "[mail]"),
    ("full disk", full_disk, "disk", "red", "full.database", "room"),
    ("fuller disk", fuller_disk, "disk", "yellow", "little.state", "room"),
    ("no files left", no_files_left, "disk", "red", "files.backups", "room"),
    ("clock ahead", clock_ahead, "clock", "red", "twilio", "timedatectl"),
    ("not migrated", not_migrated, "database", "red", "database", "ivr migrate"),
    ("other token", other_token, PUBLIC, "red", "signature-refused", "auth_tokens"),
    ("unescaping proxy", a_proxy_that_unescapes, PUBLIC, "red", "signature-refused", "proxy"),
    ("redirect", _answering("308 Permanent Redirect"), PUBLIC, "red", "redirected", "public_url"),
    (
        "bad gateway",
        _answering("502 Bad Gateway"),
        PUBLIC,
        "red",
        "other-service",
        "[service] listen",
    ),
    ("no check", _answering("204 No Content"), PUBLIC, "red", "unsigned-believed", "refuses"),
]


@pytest.mark.parametrize(
    ("plant", "subject", "level", "key", "remedy"),
    [each[1:] for each in FAULTS],
    ids=[each[0] for each in FAULTS],
)
def test_a_planted_fault_is_found_with_its_remedy(
    well: Well, plant: Callable[[Well], None], subject: str, level: str, key: str, remedy: str
) -> None:
    plant(well)
    asked = next(each for each in CHECKS if each.subject == subject)
    made = well.examined(offline=not (asked.network or subject == "clock"))
    told = {each.key: each for each in found(made, subject, level)}
    assert key in told, made.findings
    assert remedy in told[key].remedy
    assert told[key].what.endswith(".")
    assert made.ok == (not any(each.level == "red" for each in made.findings))
    assert [each for each in made.findings if each.key.startswith("check-")] == []


@pytest.mark.parametrize(
    ("days", "level", "key"), [(13, "yellow", "certificate-ends"), (1, "red", "certificate-ends")]
)
def test_a_certificate_that_ends_soon(tmp_path: Path, days: float, level: str, key: str) -> None:
    with well_house(tmp_path, certificate_days=days) as well:
        made = well.examined()
    assert [each.key for each in found(made, PUBLIC, level)] == [key]


@pytest.mark.parametrize("how", ["ended", "stranger"])
def test_a_certificate_that_nobody_believes(tmp_path: Path, how: str) -> None:
    more = {"certificate_days": -1.0} if how == "ended" else {"authority": STRANGER}
    with well_house(tmp_path, **more) as well:  # type: ignore[arg-type]
        made = well.examined()
    (told,) = found(made, PUBLIC, "red")
    assert told.key == "certificate-refused"
    assert "Replace it" in told.remedy


def test_an_address_where_nobody_answers(well: Well) -> None:
    well.configured("service", public_url="https://localhost:1")
    (told,) = found(well.examined(), PUBLIC, "red")
    assert told.key == "unreachable"


def test_what_needs_the_database_is_left_out_without_it(well: Well) -> None:
    not_migrated(well)
    made = well.examined()
    assert set(made.unseen) == {check.subject for check in CHECKS if check.needs == "database"}
    assert found(made, PUBLIC, "green")


def test_an_account_that_is_not_configured_is_a_finding(well: Well) -> None:
    well.configured("twilio", account_sid="", auth_tokens=[])
    made = well.examined()
    assert [each.key for each in found(made, "Twilio's account", "yellow")] == ["not-asked"]
    assert {each.key for each in found(made, "configuration", "red")} == {
        "missing.twilio.account_sid",
        "missing.twilio.auth_tokens",
    }
    assert well.twilio.asked == []


# -- checks that fail --------------------------------------------------------------------------


def test_a_check_that_fails_is_a_finding_and_hides_no_other(well: Well) -> None:
    def fails(look: Look) -> Iterator[Finding]:
        yield green("before", "Before.")
        raise RuntimeError("with a secret in it")

    checks = [Check("first", fails), Check("second", lambda look: [green("after", "After.")])]
    made = examine(well.house, well.at, tools=well.tools, checks=checks)
    assert [each.key for each in made.findings] == ["check-failed.first", "before", "after"]
    assert "RuntimeError" in made.findings[0].what
    assert "secret" not in repr(made)
    assert not made.ok


def test_a_check_that_does_not_end_is_a_finding_too(well: Well) -> None:
    ends = threading.Event()

    def waits(look: Look) -> Iterator[Finding]:
        ends.wait(60)
        yield green("late", "Late.")

    checks = [Check("first", waits), Check("second", lambda look: [green("after", "After.")])]
    made = examine(well.house, well.at, tools=well.tools, checks=checks, limit=2.0)
    ends.set()
    assert [each.key for each in made.findings] == ["check-stuck.first", "after"]
    assert made.unseen == ["first"]


def test_nothing_of_what_is_kept_secret_is_written(well: Well) -> None:
    well.examined()
    written = everything_written(well.folder / "state")
    assert all(secret.encode() not in written for secret in well.secrets)


@pytest.mark.parametrize("signatures", ["sha256", "both"])
def test_the_public_address_is_asked_as_twilio_signs(well: Well, signatures: str) -> None:
    """With a shared key too, where the configuration says that Twilio signs with one."""
    shared = [SecretStr("a-shared-key-of-32-letters-123456")]
    well.configured("twilio", signatures=signatures, shared_keys=shared)
    well.door.app = webhook_app(well.house)
    assert "address" in {each.key for each in found(well.examined(), PUBLIC, "green")}
    well.configured("twilio", shared_keys=[SecretStr("another-key-of-32-letters-1234567")])
    assert [each.key for each in found(well.examined(), PUBLIC, "red")] == ["signature-refused"]
