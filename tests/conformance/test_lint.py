"""The lint finds what is planted, in every place where it is looked for."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from conformance.lint import Role, findings, role_of
from conformance.watching import WATCH
from console.phone.door import HttpDoor
from console.rehearsing.rehearsal import Rehearsal
from ivr.answer import Answer, Say
from ivr.prompts import Speech
from webhooks import twiml

TESTS = Path(__file__).parents[1]
NEXT = "https://ivr.example.net/voice/turn/2?l=x"
SAY = '<Say voice="Polly.Bianca-Neural" language="it-IT">a</Say>'
ASK = (
    f'<Gather input="dtmf" action="{NEXT}" method="POST" timeout="8" actionOnEmptyResult="true">'
    f"{SAY}</Gather>"
)
REDIRECT = f'<Redirect method="POST">{NEXT}</Redirect>'
DIAL = f'<Dial action="{NEXT}" method="POST" timeout="20" callerId="+390461825060"'
WHISPERS = f'{DIAL} answerOnBridge="true" ringTone="it"><Number url="{NEXT}" method="POST">'
NUMBER = "+393331234501</Number>"
RECORD = f'<Record action="{NEXT}" method="POST" maxLength="120"/>'


def document(inside: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{inside}</Response>'.encode()


CLEAN: dict[str, tuple[Role, str]] = {
    "a question to a caller": ("caller", ASK + REDIRECT),
    "a question to a technician": ("whisper", ASK + "<Hangup/>"),
    "what connects him": ("whisper", SAY),
    "a ring with a whisper": ("caller", SAY + WHISPERS + NUMBER + "</Dial>"),
    "two phones of the office": ("caller", DIAL + ">" + ("<Number>" + NUMBER) * 2 + "</Dial>"),
    "a ring of a SIP phone": (
        "caller",
        WHISPERS.replace("<Number", "<Sip") + "sip:anna@pbx.example.net</Sip></Dial>",
    ),
    "a message": ("caller", SAY + RECORD + REDIRECT),
    "overrides in an address": (
        "caller",
        (RECORD + REDIRECT).replace("l=x", "l=x#ct=2000&amp;rt=4000&amp;tt=8000&amp;rc=1&amp;rp=all"),
    ),
    "a goodbye": ("caller", SAY + "<Hangup/>"),
    "a refusal that costs nothing": ("caller", '<Reject reason="busy"/>'),
    "a placed call": ("placed", ASK + "<Hangup/>"),
    "a text": ("text", "<Message>Preso in carico</Message>"),
    "no text": ("text", ""),
}

# What is wrong with each, in a word of the finding: first what Twilio's pages say, then what we say.
WRONG: dict[str, tuple[Role, str, str]] = {
    "a verb nobody knows": ("caller", "<Speak>a</Speak>", "<Speak> in <Response>"),
    "a planted attribute": ("caller", SAY.replace("<Say", '<Say bogus_attr="3"') + "<Hangup/>", "bogus_attr"),
    "Python's spelling": ("caller", ASK.replace("timeout", "num_digits") + REDIRECT, "num_digits"),
    "a value that is none": ("caller", '<Reject reason="no"/>', "reason='no'"),
    "Dial below 5 s": ("caller", WHISPERS.replace('"20"', '"4"') + NUMBER + "</Dial>", "timeout='4'"),
    "another ring tone": ("caller", WHISPERS.replace('"it"', '"italy"') + NUMBER + "</Dial>", "ringTone"),
    "Record of one second": ("caller", RECORD.replace("120", "1") + REDIRECT, "maxLength"),
    "text where none is": ("caller", "<Hangup>now</Hangup>", "holds text"),
    "a number without its country": ("caller", f"{WHISPERS}0461825060</Number></Dial>", "0461825060"),
    "a number with tones": ("caller", f"{WHISPERS}+393331234501,,1</Number></Dial>", "+393331234501,,1"),
    "a misspelt voice": (
        "caller",
        SAY.replace("Polly.", "Poly.") + "<Hangup/>",
        "voice='Poly.Bianca-Neural'",
    ),
    "a question in a question": ("caller", ASK.replace(SAY, ASK) + REDIRECT, "<Gather> in <Gather>"),
    "eleven parties": ("caller", DIAL + ">" + ("<Number>" + NUMBER) * 11 + "</Dial>", "at most 10"),
    "nobody": ("caller", DIAL + "/>", "of nobody"),
    "a verb after a Dial with an action": ("caller", WHISPERS + NUMBER + "</Dial>" + SAY, "never reached"),
    "a verb after Redirect": ("caller", REDIRECT + "<Hangup/>", "never reached"),
    "a verb after Hangup": ("caller", "<Hangup/>" + SAY + "<Hangup/>", "never reached"),
    "something else after Record": ("caller", RECORD + SAY + "<Hangup/>", "never reached"),
    "Reject too late": ("caller", SAY + "<Reject/>", "only the first"),
    "Reject in a whisper": ("whisper", "<Reject/>", "did not come in"),
    "Gather that loops": ("caller", ASK.replace(f'action="{NEXT}"', "") + "<Hangup/>", "for ever"),
    "Record that loops": ("caller", RECORD.replace(f'action="{NEXT}"', ""), "for ever"),
    "a Dial in a whisper": ("whisper", WHISPERS + NUMBER + "</Dial>", "before the two are connected"),
    "a Redirect in a whisper": ("whisper", ASK + REDIRECT, "before the two are connected"),
    "a Pause in a whisper": ("whisper", "<Pause/><Hangup/>", "before the two are connected"),
    "too long for Polly": ("caller", SAY.replace(">a<", f">{'a' * 3001}<") + "<Hangup/>", "speaks 3000"),
    "too long in bytes": ("caller", SAY.replace(">a<", f">{'è' * 1501}<") + "<Hangup/>", "speaks 3000"),
    "too long in an address": (
        "caller",
        SAY.replace(">a<", f">{'a ' * 1200}<") + "<Hangup/>",
        "at most 4500",
    ),
    "too long for a basic voice": (
        "caller",
        f'<Say voice="man" language="it-IT">{"a" * 4097}</Say><Hangup/>',
        "speaks 4096",
    ),
    "too long for Google": (
        "caller",
        f'<Say voice="Google.it-IT-Neural2-A" language="it-IT">{"a" * 5001}</Say><Hangup/>',
        "speaks 5000",
    ),
    "a voice of another language": (
        "caller",
        '<Say voice="Google.de-DE-Neural2-A" language="it-IT">a</Say><Hangup/>',
        "does not speak it-IT",
    ),
    "nothing said": ("caller", SAY.replace(">a<", "> <") + "<Hangup/>", "of nothing"),
    "too large": ("caller", (SAY * 1200) + "<Hangup/>", "11750"),
    "a comment": ("caller", "<!-- a --><Hangup/>", "comment"),
    "two texts in one": ("text", "<Message><Body>a</Body></Message>", "<Body> in <Message>"),
    "a text too long": ("text", f"<Message>{'a' * 1601}</Message>", "<Message>"),
    # Unsafe by its effect: Twilio lets it pass.
    "no voice": ("caller", "<Say>a</Say><Hangup/>", "an English voice"),
    "no language": ("caller", '<Say voice="Polly.Bianca">a</Say><Hangup/>', "an English voice"),
    "asked by GET": ("caller", ASK.replace("POST", "GET") + REDIRECT, "would stand in an address"),
    "silence unreported": ("caller", ASK.replace('"true"', '"false"') + REDIRECT, "silence"),
    "speech": ("caller", ASK.replace('"dtmf"', '"dtmf speech"') + REDIRECT, "more than keys"),
    "a relative address": ("caller", ASK.replace("https://ivr.example.net", "") + "<Hangup/>", "whole https"),
    "an override that is none": (
        "caller",
        RECORD.replace("l=x", "l=x#rc=9") + REDIRECT.replace("l=x", "l=x#rc=9"),
        "overrides nothing",
    ),
    "a file": ("caller", "<Play>file:///etc/passwd</Play><Hangup/>", "whole https"),
    "a question that leads nowhere": ("caller", ASK, "falls through to nowhere"),
    "a question that connects": ("whisper", ASK, "falls through to a connection"),
    "a cut": ("caller", SAY, "merely ends"),
    "a cut of a placed call": ("placed", SAY, "merely ends"),
    "nothing at all": ("whisper", "", "a document of nothing"),
    "a silent whisper": (
        "caller",
        WHISPERS.replace('"true"', '"false"') + NUMBER + "</Dial>",
        "hear nothing",
    ),
    "a whisper to two": ("caller", WHISPERS + NUMBER + "<Number>" + NUMBER + "</Dial>", "documented nowhere"),
    "a ring nobody hears of": (
        "caller",
        WHISPERS.replace(f'action="{NEXT}" ', "") + NUMBER + "</Dial>",
        "how it went",
    ),
    "the caller's number shown": (
        "caller",
        WHISPERS.replace('callerId="+390461825060"', "") + NUMBER + "</Dial>",
        "shows the caller's",
    ),
    "a talk recorded": (
        "caller",
        WHISPERS.replace("<Dial", '<Dial record="true"') + NUMBER + "</Dial>",
        "records a talk",
    ),
    "a transcription": (
        "caller",
        RECORD.replace("<Record", '<Record transcribe="true"') + REDIRECT,
        "transcribed",
    ),
}


@pytest.mark.parametrize(("role", "inside"), CLEAN.values(), ids=CLEAN)
def test_what_is_right_passes(role: Role, inside: str) -> None:
    assert findings(document(inside), role) == []


@pytest.mark.parametrize(("role", "inside", "says"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_found(role: Role, inside: str, says: str) -> None:
    found = findings(document(inside), role)
    assert any(says in each for each in found), found


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        (document("<Hangup/>"), "text/plain", "not followed"),
        (document("<Hangup/>"), "", "not followed"),
        (b"<response/>", "text/xml", "the document is a <response>"),
        (b"<Response>", "text/xml", "no XML"),
        (document("<Hangup/>").replace(b"<Hangup", b"<Say>\xe8</Say><Hangup"), "text/xml", "no XML"),
    ],
)
def test_what_is_no_document_is_found(body: bytes, kind: str, says: str) -> None:
    assert says in findings(body, "caller", kind=kind)[0]


def test_only_who_accepted_is_connected() -> None:
    assert findings(document(SAY), "whisper", accepted=True) == []
    assert "nobody accepted" in findings(document(SAY), "whisper", accepted=False)[0]


def test_a_foreign_caller_id_is_found() -> None:
    rings = document(WHISPERS + NUMBER + "</Dial>")
    assert findings(rings, "caller", numbers=["+390461825060"]) == []
    assert "none of our numbers" in findings(rings, "caller", numbers=["+390465324963"])[0]


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("/voice", "caller"),
        ("/voice/turn/12", "caller"),
        ("/voice/fallback", "caller"),
        ("/voice/technician/0", "whisper"),
        ("/voice/out/3", "placed"),
        ("/sms", "text"),
        ("/voice/status", None),
        ("/voice/out/status", None),
        ("/voice/sound", None),
        ("/voice/recorded/0123/abcd.wav", None),
        ("/c/token", None),
    ],
)
def test_the_path_tells_who_gets_it(path: str, role: Role | None) -> None:
    assert role_of(path) == role


# -- where it is looked for --------------------------------------------------------------------------


def test_a_planted_attribute_fails_the_test_that_made_it(tmp_path: Path) -> None:
    """A pytest of its own, with the plugin: one test renders a clean document, one a wrong one."""
    (tmp_path / "test_planted.py").write_text(
        "from ivr.answer import HANG_UP\n"
        "from webhooks import twiml\n"
        "def test_clean():\n"
        "    twiml.for_caller(HANG_UP)\n"
        "def test_planted(monkeypatch):\n"
        "    monkeypatch.setattr(twiml, '_HANG_UP', twiml.element('Gather', bogusAttr=3))\n"
        "    twiml.for_caller(HANG_UP)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "conformance.watching", "-p", "no:cacheprovider", "-q", "."],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{TESTS}:{TESTS.parent}", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "1 failed, 1 passed" in ran.stdout
    assert "<Gather> has no attribute bogusAttr" in ran.stdout


def test_every_rendered_document_is_looked_at() -> None:
    speech = Speech("", "it-IT", "Polly.Bianca-Neural")
    twiml.for_caller(Answer((Say(speech),)))
    assert any("<Say> of nothing" in each for each in WATCH.taken())


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing."""


def night(stage: Callable[..., Rehearsal]) -> Any:
    """A caller who rings in the evening, at his PIN."""
    rehearsal = stage()
    rehearsal.play("@ 2026-03-10 22:00")
    call = rehearsal.exchange.ring("+393471112201", "+390461825060")
    return rehearsal, call


def ringing(stage: Callable[..., Rehearsal]) -> Any:
    rehearsal, call = night(stage)
    call.press(rehearsal.pins["acme"], label="PIN of acme")
    call.press("1")
    call.wait()
    (leg,) = call.ringing
    return rehearsal, call, leg


def test_what_the_door_answers_is_looked_at(stage: Callable[..., Rehearsal]) -> None:
    before = dict(WATCH.documents)
    _, _, leg = ringing(stage)
    leg.answer()
    leg.press("1")
    assert leg.state == "bridged"
    assert WATCH.documents["caller"] > before.get("caller", 0)
    assert WATCH.documents["whisper"] > before.get("whisper", 0)
    assert WATCH.taken() == []


def test_a_technician_who_passed_and_is_connected_all_the_same_is_found(
    stage: Callable[..., Rehearsal], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program as it must not be: what he is answered merely ends, whatever he pressed."""
    monkeypatch.setattr(twiml, "_HANG_UP", "")
    _, _, leg = ringing(stage)
    leg.answer()
    leg.press("2")
    assert leg.state == "bridged"
    assert any("nobody accepted" in each for each in WATCH.taken())


def test_a_number_that_is_not_ours_is_found(
    stage: Callable[..., Rehearsal], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = twiml.element

    def forged(name: str, inner: str = "", **attributes: Any) -> str:
        more = {"callerId": "+393471112201"} if name == "Dial" else {}
        return plain(name, inner, **attributes | more)

    monkeypatch.setattr(twiml, "element", forged)
    ringing(stage)
    assert any("is none of our numbers" in each for each in WATCH.taken())


def test_what_another_process_answers_is_looked_at() -> None:
    """HttpDoor is how the telephone reaches one."""

    def cuts_off(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/xml")])
        return [document(SAY)]

    with make_server("127.0.0.1", 0, cuts_off, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        door = HttpDoor("https://ivr.example.net", f"http://127.0.0.1:{server.server_port}")
        door.post("https://ivr.example.net/voice/turn/1", [("CallSid", "CA" + "0" * 32)], {})
        thread.join()
    assert any("merely ends" in each for each in WATCH.taken())
