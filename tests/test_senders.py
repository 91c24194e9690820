"""Who text messages come from: what each kind can do, and what its texts then say."""

from __future__ import annotations

from pathlib import Path

import pytest
from making import NIGHT, ROME, configuration
from test_notice_texts import LINK, LONG, ORDINARY

from console.settings_checks import findings
from oncall.notices import senders
from oncall.notices.notice_texts import LANGUAGES, catalogue, written
from oncall.notices.segments import is_gsm7, segments

WITH_OK = sorted(kind for kind, forms in catalogue("it")["kind"].items() if "{ok}" in str(forms["text"]))


@pytest.mark.parametrize(
    ("sender", "kind"),
    [
        ("+393331234501", "mobile"),
        ("+390461825060", "landline"),
        ("+390465324963", "landline"),
        ("+12025550123", "mobile"),  # the plan does not tell them apart
        ("+39800123456", "unknown"),  # a free number
        ("Cloudfabric", "name"),
        ("IT 24", "name"),
        ("+39", "unknown"),
        ("sip:anna@pbx.example.net", "unknown"),
        ("Cloudfabrics", "unknown"),  # twelve letters: no sender at all
    ],
)
def test_what_a_sender_is(sender: str, kind: str) -> None:
    assert senders.sender_kind(sender) == kind


def test_what_each_can_do() -> None:
    able = {kind: (can.sends, can.answered) for kind, can in senders.ABLE.items()}
    assert able["mobile"] == (True, True)
    assert able["name"] == (True, False)
    assert able["landline"] == (False, False)


def test_those_that_cannot_send() -> None:
    ours = ["+390461825060", "+393511234567"]
    assert senders.senders_that_cannot("called", ours) == ["+390461825060"]
    assert senders.senders_that_cannot("+393511234567", ours) == []
    assert senders.senders_that_cannot("Cloudfabric", ours) == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", WITH_OK)
def test_from_a_name_a_text_says_where_to_act(kind: str, language: str) -> None:
    """No answer is invited; the link stands once, with a sentence that says what it is for."""
    facts = {name: value for name, value in LONG.items() if name != "ok"} | {"link": LINK, "here": LINK}
    said = written(kind, facts, language, ROME, NIGHT, company="Cloudfabric")
    assert said.text.count(LINK) == 1
    assert said.text.endswith(LINK), "a full stop would be taken for a part of it"
    assert "OK" not in said.text
    before = said.text[: -len(LINK)].rstrip()
    assert before.endswith(":")
    assert segments(said.text) <= 2
    assert is_gsm7(said.text)
    # Beside a number's text it costs no segment more.
    answered = written(kind, LONG | {"link": LINK}, language, ROME, NIGHT, company="Cloudfabric")
    assert segments(said.text) <= segments(answered.text)
    assert said.body.count(LINK) == 1
    assert before.rpartition(". ")[2] not in said.body


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", WITH_OK)
def test_an_ordinary_one_with_its_link_takes_two_segments_at_most(kind: str, language: str) -> None:
    facts = {name: value for name, value in ORDINARY.items() if name != "ok"} | {"link": LINK, "here": LINK}
    assert segments(written(kind, facts, language, ROME, NIGHT, company="Cloudfabric").text) <= 2


def test_the_settings_page_warns_of_a_landline(tmp_path: Path) -> None:
    made = configuration(tmp_path)

    def found(sender: str) -> list[tuple[str, object]]:
        notices = made.notices.model_copy(update={"text_sender": sender})
        every = findings(made.model_copy(update={"notices": notices}), ["duty"])
        return [(each.name, each.facts["sender"]) for each in every if each.key == "notices.text_sender"]

    assert found("called") == [("text-landline", "+390461825060, +390461402406, +390465324963")]
    assert found("Cloudfabric") == [("text-sender", "Cloudfabric")]
    assert found("+393511234567") == []
