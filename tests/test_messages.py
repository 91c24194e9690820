"""A message a caller left is fetched from Twilio, kept, and named by `ivr call show`."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from making import NIGHT, PEPPER, SECRETS, SID, a_call, configuration, fresh_database
from pydantic import SecretStr

from console import case_story
from console.house import House
from console.privacy.keys import kept_sounds
from console.processes import worker
from ivr import journal
from ivr.vocabulary import Recording
from storage.sealed_folder import SealedFolder
from webhooks.recordings import RecordingGone, RecordingNotReady, fetch_recording
from webhooks.settings import TwilioSettings

ACCOUNT = "AC" + "1" * 32
TOKEN = "0123456789abcdef0123456789abcdef"
RECORDING = "RE" + "2" * 32
SOUND = b"ID3" + bytes(range(256)) * 40


class Twilio:
    """Twilio's interface for recordings, on loopback: what it is asked, and what it answers."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: list[tuple[int, bytes]] = []

    @contextmanager
    def serving(self) -> Iterator[str]:
        twilio = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                twilio.asked.append(self.path)
                expected = "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
                status, body = (401, b"") if self.headers["Authorization"] != expected else twilio.next()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def next(self) -> tuple[int, bytes]:
        return self.answers.pop(0) if self.answers else (200, SOUND)


@pytest.fixture
def twilio() -> Twilio:
    return Twilio()


def settings(base: str, *tokens: str) -> TwilioSettings:
    return TwilioSettings(
        account_sid=ACCOUNT, auth_tokens=[SecretStr(token) for token in tokens or (TOKEN,)], api_base=base
    )


def kept(folder: Path) -> SealedFolder:
    return SealedFolder(folder / "messages", (bytes(range(32)),))


def test_a_recording_is_fetched_whole_and_for_its_owner_alone(twilio: Twilio, tmp_path: Path) -> None:
    with twilio.serving() as base:
        name = fetch_recording(settings(base), RECORDING, kept(tmp_path))
    file = tmp_path / "messages" / name
    assert name == f"{RECORDING}.mp3"
    assert kept(tmp_path).read(name) == SOUND
    # Not even a part of it lies there as it was spoken.
    assert SOUND[:16] not in file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in file.parent.iterdir()] == [file.name]
    assert twilio.asked == [f"/2010-04-01/Accounts/{ACCOUNT}/Recordings/{RECORDING}.mp3"]


def test_while_a_token_is_changed_either_is_tried(twilio: Twilio, tmp_path: Path) -> None:
    with twilio.serving() as base:
        fetch_recording(settings(base, "fedcba9876543210fedcba9876543210", TOKEN), RECORDING, kept(tmp_path))
        assert len(twilio.asked) == 2
        with pytest.raises(RecordingGone):
            fetch_recording(
                settings(base, "fedcba9876543210fedcba9876543210"), RECORDING, kept(tmp_path / "no")
            )
    assert not list(tmp_path.glob("no/messages/*"))


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, RecordingNotReady), (429, RecordingNotReady), (503, RecordingNotReady), (302, RecordingGone)],
)
def test_what_is_tried_again(status: int, error: type[Exception], twilio: Twilio, tmp_path: Path) -> None:
    twilio.answers = [(status, b"")]
    with twilio.serving() as base, pytest.raises(error):
        fetch_recording(settings(base), RECORDING, kept(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_nobody_there_is_tried_again(tmp_path: Path) -> None:
    with pytest.raises(RecordingNotReady):
        fetch_recording(settings("http://127.0.0.1:1"), RECORDING, kept(tmp_path))


@pytest.mark.parametrize("sid", ["", "../../etc/passwd", "RE" + "2" * 31, f"{RECORDING}\n"])
def test_only_a_recording_is_asked_for(sid: str, twilio: Twilio, tmp_path: Path) -> None:
    with twilio.serving() as base, pytest.raises(RecordingGone):
        fetch_recording(settings(base), sid, kept(tmp_path))
    assert twilio.asked == []


def test_the_worker_fetches_a_message_once_and_names_it(twilio: Twilio, tmp_path: Path) -> None:
    twilio.answers = [(404, b""), (500, b"")]
    with twilio.serving() as base, fresh_database(tmp_path) as database:
        configured = configuration(tmp_path).model_copy(update={"twilio": settings(base)})
        house = House(configured, database)
        with database.write() as connection:
            a_call(connection)
            recording = Recording(RECORDING, "https://api.twilio.com/x", 12)
            journal.keep_message(connection, NIGHT, SID, recording, "announced")
            journal.keep_message(connection, NIGHT, SID, recording, "completed")
        assert worker.tick(house, NIGHT) == 1  # not ready
        assert worker.tick(house, NIGHT + timedelta(seconds=1)) == 0
        assert worker.tick(house, NIGHT + timedelta(seconds=2)) == 1  # Twilio is unwell
        assert worker.tick(house, NIGHT + timedelta(seconds=4)) == 1
        assert worker.tick(house, NIGHT + timedelta(days=1)) == 0
        with database.read() as connection:
            (message,) = journal.messages_of(connection, SID)
    assert message.file == f"{RECORDING}.mp3"
    assert kept_sounds(configured).read(message.file) == SOUND
    assert len(twilio.asked) == 3


def test_it_is_asked_for_soon_and_then_less_and_less_often(twilio: Twilio, tmp_path: Path) -> None:
    twilio.answers = [(404, b"")] * 9
    waits = [2, 2, 2, 2, 2, 15, 30, 60, 120]
    with twilio.serving() as base, fresh_database(tmp_path) as database:
        house = House(configuration(tmp_path).model_copy(update={"twilio": settings(base)}), database)
        with database.write() as connection:
            a_call(connection)
            recording = Recording(RECORDING, "https://api.twilio.com/x", 12)
            journal.keep_message(connection, NIGHT, SID, recording, "announced")
        at = NIGHT
        assert worker.tick(house, at) == 1
        for wait in waits:
            assert worker.tick(house, at + timedelta(seconds=wait - 1)) == 0, wait
            at += timedelta(seconds=wait)
            assert worker.tick(house, at) == 1, wait
        with database.read() as connection:
            assert journal.message_file(connection, RECORDING) is not None


# -- what a caller said of himself, who is to be screened ------------------------------------------------


@pytest.mark.parametrize("first", ["the turn", "the network"])
def test_a_name_is_fetched_and_is_nobody_s_message(first: str, twilio: Twilio, tmp_path: Path) -> None:
    """Whichever of the two announces it first."""
    recording = Recording(RECORDING, "https://api.twilio.com/x", 6)
    with twilio.serving() as base, fresh_database(tmp_path) as database:
        house = House(configuration(tmp_path).model_copy(update={"twilio": settings(base)}), database)
        with database.write() as connection:
            a_call(connection)
            if first == "the network":
                journal.keep_message(connection, NIGHT, SID, recording, "completed")
            journal.keep_message(connection, NIGHT, SID, recording, "announced", "name")
            if first == "the turn":
                journal.keep_message(connection, NIGHT, SID, recording, "completed")
            assert journal.message_file(connection, RECORDING) is None
        assert worker.tick(house, NIGHT) == 1
        with database.read() as connection:
            assert journal.message_file(connection, RECORDING) == f"{RECORDING}.mp3"
            assert journal.messages_of(connection, SID) == []
    assert kept_sounds(house.configuration).read(f"{RECORDING}.mp3") == SOUND


def test_what_the_network_says_of_it_has_it_fetched_at_once(twilio: Twilio, tmp_path: Path) -> None:
    """It was not ready when it was asked for; the caller waits for it, and not for the next try."""
    twilio.answers = [(404, b"")]
    recording = Recording(RECORDING, "https://api.twilio.com/x", 6)
    with twilio.serving() as base, fresh_database(tmp_path) as database:
        house = House(configuration(tmp_path).model_copy(update={"twilio": settings(base)}), database)
        with database.write() as connection:
            a_call(connection)
            journal.keep_message(connection, NIGHT, SID, recording, "announced", "name")
        assert worker.tick(house, NIGHT) == 1
        ready = NIGHT + timedelta(seconds=1)
        assert worker.tick(house, ready) == 0
        with database.write() as connection:
            journal.keep_message(connection, ready, SID, recording, "completed")
        assert worker.tick(house, ready) == 1
        with database.read() as connection:
            assert journal.message_file(connection, RECORDING) is not None


# -- as they are kept ------------------------------------------------------------------------------------


def test_pages_play_what_is_sealed_and_what_a_version_before_left_as_it_was(tmp_path: Path) -> None:
    with fresh_database(tmp_path) as database:
        house = House(configuration(tmp_path), database)
        folder = kept_sounds(house.configuration)
        plain, sealed, strange = (f"RE{digit * 32}.mp3" for digit in "123")
        with folder.writing(sealed) as file:
            file.write(SOUND)
        (folder.folder / plain).write_bytes(SOUND)
        with SealedFolder(folder.folder, (bytes(32),)).writing(strange) as file:
            file.write(SOUND)
        for name in (plain, sealed):
            played = case_story.sound(house, name)
            assert played is not None
            assert played.read() == SOUND
        assert case_story.sound(house, strange) is None
        assert case_story.sound(house, "../ivr.db") is None
        # The key comes from what is never changed without need: fresh service.keys make no difference.
        signing = {**SECRETS, "IVR_SERVICE_SIGNING_KEY": PEPPER}
        first = kept_sounds(configuration(tmp_path, signing)).keys[0]
        other = {**signing, "IVR_SERVICE_KEYS": "HxweHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgE="}
        assert kept_sounds(configuration(tmp_path, other)).keys[0] == first
