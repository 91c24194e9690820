"""Sentences in the company's own voice, in the console: for admins; uploaded, listened to, taken away."""

from __future__ import annotations

import io
import re

import pytest
from screens import Screen
from visitors import Console, Visitor
from voices import file_of, murmur, reading, silence
from werkzeug.test import TestResponse

from console.web.words import LANGUAGES, texts
from ivr.own_voice import kept

GOODBYE = "/prompts/it/line/goodbye"
GOOD = reading("Arrivederci.")


def send(visitor: Visitor, content: bytes, number: str = "", path: str = GOODBYE) -> TestResponse:
    form = {"sound": (io.BytesIO(content), "a.wav"), "form-token": visitor.token(path), "number": number}
    return visitor.client.post(path, data=form, base_url="http://localhost:8081", buffered=True)


def standing(console: Console) -> list[kept.Recording]:
    with console.house.database.read() as connection:
        return kept.standing(connection)


def test_a_sentence_is_uploaded_heard_and_taken_away(console: Console) -> None:
    visitor = console.visitor()
    assert "Arrivederci." in visitor.page("/prompts")
    answer = send(visitor, GOOD)
    assert answer.status_code == 303
    page = visitor.page(answer.headers["Location"])
    assert "La registrazione è salvata" in page
    assert "Giulia Moser" in page
    (recording,) = standing(console)
    assert (recording.line, recording.language, recording.number) == ("goodbye", "it", "")
    assert recording.recorded_by == console.users["admin"].actor
    sound = visitor.get(f"/prompts/sound/{recording.id}")
    assert (sound.mimetype, sound.data[:4]) == ("audio/wav", b"RIFF")
    assert "Tutti i numeri" in visitor.page("/prompts")
    remove = f"/prompts/sound/{recording.id}/remove"
    assert "torna alla voce del servizio" in visitor.done(remove, GOODBYE)
    assert standing(console) == []
    assert visitor.get(f"/prompts/sound/{recording.id}").status_code == 404
    assert visitor.post(remove).status_code == 404


def test_one_number_has_a_voice_of_its_own(console: Console) -> None:
    visitor = console.visitor()
    number = console.house.configuration.our_numbers[1]
    assert send(visitor, GOOD, number).status_code == 303
    assert [each.number for each in standing(console)] == [number]
    assert send(visitor, GOOD, "+390000000000").status_code == 404
    assert len(standing(console)) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "Scelga un file"),
        (b"ID3\x04" + bytes(100), "non è un file WAV (MP3)"),
        (file_of(silence(1)), "non si sente nessuno"),
        (file_of(murmur(4)), "può durarne 2,4"),
        (file_of(murmur(1), rate=8001), "8001 campioni"),
    ],
)
def test_what_cannot_be_played_is_refused_in_words(console: Console, content: bytes, said: str) -> None:
    answer = send(console.visitor(), content)
    assert answer.status_code == 422
    page = answer.get_data(as_text=True)
    assert said in page
    assert 'aria-invalid="true"' in page
    assert standing(console) == []


def test_what_stays_spoken_has_no_form_and_takes_no_file(console: Console) -> None:
    visitor = console.visitor()
    for name in ("greeting", "technician-keys"):
        assert 'type="file"' not in visitor.page(f"/prompts/it/line/{name}")
    answer = send(visitor, GOOD, path="/prompts/it/line/greeting")
    assert answer.status_code == 422
    assert standing(console) == []
    for nowhere in ("/prompts/fr/listing", "/prompts?language=fr", "/prompts/it/line/nothing"):
        assert visitor.get(nowhere).status_code == 404


@pytest.mark.parametrize("role", ["dispatcher", "technician", "reader"])
def test_it_is_for_admins_alone(console: Console, role: str) -> None:
    visitor = console.visitor(role)
    assert visitor.get("/prompts").status_code == 403
    assert "/prompts" not in visitor.get("/account").get_data(as_text=True)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_refusal_has_words(language: str) -> None:
    from making import ROOT

    known = texts(language)
    files = [ROOT / f"ivr/own_voice/{name}.py" for name in ("wav", "checking")]
    reasons = {
        found
        for file in files
        for found in re.findall(r'RecordingRefused\(\s*"([a-z-]+)"', file.read_text("utf-8"))
    }
    assert len(reasons) > 10
    spoken = {key.removeprefix("prompts.why-") for key in known if key.startswith("prompts.why-")}
    wanted = reasons | {f"spoken-{why}" for why in spoken} | {"no-file"}
    there = {key.removeprefix("prompts.wrong-") for key in known if key.startswith("prompts.wrong-")}
    assert there == wanted


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_in_a_browser(screen: Screen, phone: bool) -> None:
    page = screen.open(GOODBYE, phone=phone)
    page.set_input_files("#sound", {"name": "ciao.wav", "mimeType": "audio/wav", "buffer": GOOD})
    page.select_option("#number", index=1)
    page.get_by_role("button", name="Usa questa registrazione").click()
    page.get_by_text("La registrazione è salvata").wait_for()
    page.wait_for_load_state()
    seconds = page.locator("audio").evaluate(
        """async (audio) => {
             audio.load();
             await new Promise((done, failed) => {
               audio.onloadedmetadata = done; audio.onerror = failed; audio.preload = 'metadata';
             });
             return audio.duration;
           }"""
    )
    assert 0.5 < seconds < 2
    # Narrower, a browser shows no key to play it.
    assert page.locator("audio").bounding_box()["width"] >= 190  # type: ignore[index]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("link", name="La vostra voce").first.click()
    page.get_by_text("in attesa").or_(page.get_by_text("manca la chiave")).or_(
        page.get_by_text("in uso")
    ).first.wait_for()
    page.wait_for_load_state()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
