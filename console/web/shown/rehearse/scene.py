"""A scene as its page shows it: what each party hears and does, each phone, what the journal records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from console.phone.callfile import UNKNOWN, WITHHELD
from console.phone.events import (
    CALLER,
    Answered,
    Bridged,
    Called,
    Event,
    Failed,
    Heard,
    HungUp,
    Missed,
    Phoned,
    Pressed,
    Rang,
    Recorded,
    TextReceived,
    TextSent,
    Waited,
)
from console.rehearsing.pace import laid_out
from console.rehearsing.phones import Phone
from console.rehearsing.scene import Scene
from console.rehearsing.stage import offices_numbers, outlook
from console.rehearsing.summary import Summary
from console.web.people import Person
from console.web.words import Words
from oncall.rota.roster import Contact

SAME = timedelta(seconds=1)
# After these a party hears something new.
ACTS = (Called, Answered, Pressed, Waited, Recorded)
PIN_OF = "PIN of "


@dataclass(frozen=True)
class Lane:
    """A column: the caller or whoever was rung. `person` is a technician."""

    key: str
    name: str
    person: Person | None = None


@dataclass(frozen=True)
class Happening:
    """`text` says it; `said` is what was spoken or written, in `language` ("" if that is not known)."""

    text: str
    said: str = ""
    language: str = ""
    kind: str = "act"
    fresh: bool = False


@dataclass(frozen=True)
class Row:
    """What happened to one party at one time; `lane` None: to nobody on the telephone."""

    at: datetime
    lane: str | None
    happenings: list[Happening] = field(default_factory=list)


@dataclass(frozen=True)
class Handset:
    """A phone on the table. `hears` is what was said there since its person last did something."""

    phone: Phone
    lane: Lane
    hears: list[Heard]
    asked: bool
    texts: list[str]
    language: str
    rung: int | None

    @property
    def key(self) -> str:
        return self.phone.person.key


@dataclass(frozen=True)
class Sentence:
    """One to be spoken aloud. `prompt`: a key pressed from here on stops it."""

    text: str
    language: str
    to_caller: bool
    prompt: bool


@dataclass(frozen=True)
class Shown:
    lanes: list[Lane]
    rows: list[Row]
    handsets: list[Handset]
    own: Handset | None  # the caller's phone, once the program has rung it
    hears: list[Heard]
    sentences: list[Sentence]
    journal: Summary | None
    on_duty: tuple[Contact, ...]
    caller: str
    number: str
    customer: str | None
    names: Mapping[str, str]  # technicians' by key
    customer_of: Callable[[str | None], str | None]


def show(scene: Scene, t: Words, people: Mapping[str, Person]) -> Shown:
    """The scene as it stands. `people` by key."""
    names = Names(scene, t, people)
    events = scene.call_events
    rows = _rows(scene, names, t)
    used = {row.lane for row in rows}
    phones = scene.phones
    own = next((phone for phone in phones if phone.person.key == scene.caller.key), None)
    state = outlook(
        scene.stage.configuration, scene.stage.database, scene.cue.number, scene.stage.session.now
    )
    duty = state.ladder or ()
    places = {contact.technician: place for place, contact in reversed(list(enumerate(duty, start=1)))}
    table = [
        _handset(scene, phone, names, events, places.get(phone.person.key))
        for phone in phones
        if phone is not own and (phone.state != "quiet" or phone.person.key in places)
    ]
    table.sort(key=lambda each: (each.rung is None, each.rung or 0))
    return Shown(
        lanes=[lane for key, lane in names.lanes.items() if key in used],
        rows=rows,
        handsets=table,
        own=_handset(scene, own, names, events, None) if own else None,
        hears=_hears(events, CALLER),
        sentences=_sentences(scene),
        journal=scene.summary(),
        on_duty=duty,
        caller=names.caller,
        number=names.number(scene.cue.number),
        customer=names.customer(scene.cue.customer),
        customer_of=lambda code: names.customer(code.lower() if code else None),
        names={key: each.name for key, each in people.items()},
    )


class Names:
    """Who is who, as people call him. `lanes` in the order in which they came."""

    def __init__(self, scene: Scene, t: Words, people: Mapping[str, Person]) -> None:
        self._scene, self._t, self._people = scene, t, people
        self._persons = {**scene.stage.other_phones, **{each.phone: each for each in scene.stage.people}}
        self._own = scene.caller.phone
        self.caller = self._caller()
        self.lanes: dict[str, Lane] = {CALLER: Lane(CALLER, self.caller)}

    def lane(self, party: str) -> Lane:
        """The column of a party. The caller's phone is his, also when the program rings it."""
        key = CALLER if party in (CALLER, self._own) else party
        if key not in self.lanes:
            person = self._persons.get(key)
            known = self._people.get(person.key) if person and not person.office else None
            self.lanes[key] = Lane(key, self._name(key), known)
        return self.lanes[key]

    def name(self, party: str) -> str:
        return self.lane(party).name

    def language(self, party: str) -> str:
        """In which he is written to, "" if that is not known."""
        return self._scene.stage.languages.get(party, "")

    def number(self, number: str) -> str:
        return next((each.title for each in self._scene.stage.numbers if each.detail == number), number)

    def customer(self, code: str | None) -> str | None:
        found = self._scene.stage.names.get(code or "")
        return found or code

    def _caller(self) -> str:
        who = self._scene.cue.caller
        if who in (UNKNOWN, WITHHELD):
            return self._t("rehearse.caller-unknown" if who == UNKNOWN else "rehearse.caller-withheld")
        return self.customer(who) or who

    def _name(self, phone: str) -> str:
        person = self._persons.get(phone)
        if person is None:
            return phone
        if person.office:
            answered = offices_numbers(self._scene.stage.configuration, phone)
            return self._t("rehearse.office", number=", ".join(answered))
        return person.name


# -- what happened ---------------------------------------------------------------------------------


def _rows(scene: Scene, names: Names, t: Words) -> list[Row]:
    """Everything, in order; what one party did, and heard thereupon, stands together."""
    fresh = {id(event) for event in scene.fresh}
    told: list[tuple[datetime, str | None, Happening]] = []
    for event in scene.events:
        if (one := _told(event, names, t, fresh=id(event) in fresh)) is not None:
            told.append(one)
    for mail in scene.rehearsal.mails:
        said = f"{mail.subject}\n{mail.text}"
        usual = scene.stage.configuration.service.languages[0]
        told.append((mail.at, None, Happening(t("rehearse.did-mail", to=mail.to), said, usual, "text")))
    rows: list[Row] = []
    for at, lane, happening in sorted(told, key=lambda each: each[0]):
        if rows and rows[-1].lane == lane and (happening.kind == "heard" or at - rows[-1].at < SAME):
            rows[-1].happenings.append(happening)
        else:
            rows.append(Row(at, lane, [happening]))
    return rows


def _told(
    event: Event, names: Names, t: Words, *, fresh: bool
) -> tuple[datetime, str | None, Happening] | None:
    """One event in words, and whose it is; None for what people do not see."""
    said, language, kind = "", "", "act"
    match event:
        case Called(to=to):
            party, text = CALLER, t("rehearse.did-call", number=names.number(to))
        case Heard(party=party, text=said, language=language):
            text, kind = t("rehearse.did-hear"), "heard"
            if said.startswith("["):
                said = t("rehearse.a-recording")
        case Pressed(party=party):
            text = _pressed(event, names, t)
        case Waited(party=party):
            text = t("rehearse.did-wait")
        case Rang(phone=party):
            text, kind = t("rehearse.did-ring"), "rings"
        case Phoned(phone=party):
            text, kind = t("rehearse.did-phone"), "rings"
        case Missed(phone=party, why=why):
            text, kind = t(f"rehearse.did-miss-{why}"), "missed"
        case Answered(phone=party, by=by):
            text = t(f"rehearse.did-answer-{by}")
        case Bridged(phone=party, other=other):
            text, kind = t("rehearse.did-connect", who=names.name(other)), "connected"
        case Recorded(party=party, seconds=seconds, ended_by=ended):
            key = t("rehearse.did-then-key", key=ended) if len(ended) == 1 else ""
            text = t("rehearse.did-speak", n=seconds) + key
        case HungUp(party=party, by=by):
            text = t("rehearse.did-hang-up" if by == party else "rehearse.did-end")
        case TextSent(phone=party, text=said):
            text, kind, language = t("rehearse.did-get-text"), "text", names.language(party)
        case TextReceived(phone=party, text=said):
            text, kind, language = t("rehearse.did-send-text"), "text", names.language(party)
        case Failed(code=code):
            return event.at, None, Happening(t("rehearse.did-fail", code=code), kind="missed", fresh=fresh)
        case _:
            return None
    return event.at, names.lane(party).key, Happening(text, said, language, kind, fresh)


def _pressed(event: Pressed, names: Names, t: Words) -> str:
    if event.keys.startswith(PIN_OF):
        code = event.keys.removeprefix(PIN_OF)
        return t("rehearse.did-pin", customer=names.customer(code))
    if event.keys == "a wrong PIN":
        return t("rehearse.did-wrong-pin")
    if event.labelled:
        return t("rehearse.did-digits", n=event.keys.partition(" ")[0])
    return t("rehearse.did-press", keys=event.keys)


# -- the phones ------------------------------------------------------------------------------------


def _handset(scene: Scene, phone: Phone, names: Names, events: Sequence[Event], rung: int | None) -> Handset:
    number = phone.person.phone
    return Handset(
        phone,
        names.lane(number),
        _hears(events, number) if phone.state in ("listening", "connected") else [],
        scene.stage.session.asked(phone.person.key) is not None,
        [event.text for event in scene.events if isinstance(event, TextSent) and event.phone == number],
        names.language(number),
        rung,
    )


def _hears(events: Iterable[Event], party: str) -> list[Heard]:
    """What a party has heard since he last did something."""
    heard: list[Heard] = []
    for event in events:
        if (
            isinstance(event, ACTS)
            and (getattr(event, "party", "") or getattr(event, "phone", CALLER)) == party
        ):
            heard = []
        if isinstance(event, Heard) and event.party == party:
            heard.append(event)
    return heard


def _sentences(scene: Scene) -> list[Sentence]:
    """What the latest move brought to be heard."""
    asked = scene.stage.session.asked()
    return [
        Sentence(
            each.heard.text,
            each.heard.language,
            each.heard.party == CALLER,
            each.heard.party == CALLER and asked is not None and each.heard.at >= asked.began,
        )
        for each in laid_out(scene.fresh)
        if not each.heard.text.startswith("[")
    ]
