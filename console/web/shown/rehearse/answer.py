"""The answer to "what would happen?", in a sentence, with what led to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from console.phone.events import CALLER, Bridged, Called, Event, Missed, Recorded, TextSent
from console.rehearsing.scene import Scene
from console.rehearsing.stage import outlook
from console.web.people import Person
from console.web.shown.rehearse.scene import Names
from console.web.words import Words

Tone = Literal["good", "warn", "alarm"]


@dataclass(frozen=True)
class Answer:
    """`headline` is the answer; `steps` say how it came to that, in order."""

    headline: str
    tone: Tone
    steps: list[str]


def answer(scene: Scene, t: Words, people: Mapping[str, Person]) -> Answer:
    """What happened in a scene that was played for a question."""
    names = Names(scene, t, people)
    events = scene.call_events
    began = next((event.at for event in events if isinstance(event, Called)), scene.cue.at)
    found = scene.summary()
    case = found.case if found else None
    steps = [_hours(scene, t)]
    talk = next((event for event in events if isinstance(event, Bridged)), None)
    if case is not None:
        by = t.moment(case.due_at, began) if case.due_at else ""
        steps.append(t("rehearse.answer-case", urgency=case.urgency or "", number=case.number, due=by))
    if missed := _missed(events, names, t, talk):
        steps.append(missed)
    if any(isinstance(event, Recorded) and event.seconds for event in events):
        steps.append(t("rehearse.answer-message"))
    if texts := len({event.phone for event in events if isinstance(event, TextSent)}):
        steps.append(t.count("rehearse.answer-texts", texts))
    if case is not None and case.pursued:
        steps.append(t("rehearse.answer-pursued"))
    return Answer(*_headline(scene, names, t, talk, began), steps)


def _headline(
    scene: Scene, names: Names, t: Words, talk: Bridged | None, began: datetime
) -> tuple[str, Tone]:
    found = scene.summary()
    if talk is not None:
        # Of a call that the program placed, `other` is the technician and `phone` the customer's.
        called_back = talk.other != CALLER
        who = names.name(talk.other if called_back else talk.phone)
        key = "called-back" if called_back else "connected"
        return t(f"rehearse.answer-{key}", who=who, after=minutes(t, talk.at, began)), "good"
    outcome = (found.outcome if found else None) or "none"
    refused = ("not-covered", "no-contract", "no-pin", "no-urgency", "no-digits", "blocked")
    tone: Tone = "warn" if outcome in refused else "alarm"
    return t.maybe(f"rehearse.answer-{outcome}", t("rehearse.answer-nobody")), tone


def _hours(scene: Scene, t: Words) -> str:
    state = outlook(scene.stage.configuration, scene.stage.database, scene.cue.number, scene.cue.at).hours
    reason = t(f"rehearse.reason-{state.reason}") + (f": {state.name}" if state.name else "")
    when = f"{t.day(scene.cue.at)}, {t.time(scene.cue.at)}"
    return t("rehearse.answer-night" if state.pin else "rehearse.answer-day", when=when, reason=reason)


def _missed(events: list[Event], names: Names, t: Words, talk: Bridged | None) -> str:
    """Whose phones rang in vain, and how often."""
    counted = Counter(
        names.name(event.phone)
        for event in events
        if isinstance(event, Missed) and event.why != "canceled" and (talk is None or event.at <= talk.at)
    )
    who = ", ".join(
        name if n == 1 else t("rehearse.answer-times", who=name, n=n) for name, n in counted.items()
    )
    return t("rehearse.answer-missed", who=who) if who else ""


def minutes(t: Words, at: datetime, since: datetime) -> str:
    """`42 s`, `1 min 12 s`."""
    seconds = round((at - since).total_seconds())
    whole, rest = divmod(seconds, 60)
    return f"{whole} min {rest} s" if whole and rest else t.duration(seconds)
