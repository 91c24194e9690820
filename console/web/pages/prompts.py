"""Sentences in the company's own voice: what is read aloud, what is recorded and whether it is played."""

from __future__ import annotations

import io

from flask import Response, request, send_file
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from console.access.roles import May
from console.voice import listing as own_voice
from console.web.actors import actors
from console.web.area import Area
from console.web.context import at, house, reading, user, words, writing
from console.web.ids import ID
from console.web.render import page, to
from ivr.own_voice import kept, lines
from ivr.own_voice.checking import LARGEST_FILE, seconds_allowed
from ivr.own_voice.lines import Sentence
from ivr.own_voice.wav import RecordingRefused
from ivr.prompts import spoken_languages

area = Area("prompts")
Answer = AnyResponse | str | tuple[str, int]


@area.page("/prompts", May.PROMPTS)
def index() -> str:
    language = _language(request.args.get("language") or house().configuration.service.languages[0])
    with reading() as connection:
        found = own_voice.listing(connection, house().configuration, language, at())
    return page(
        "prompts/index.html",
        language=language,
        languages=spoken_languages(),
        rows=[(sentence, standing) for sentence, standing in found if sentence.recordable or standing],
        spoken=[sentence for sentence, _ in found if not sentence.recordable],
    )


@area.page("/prompts/<language>/listing", May.PROMPTS)
def listing(language: str) -> str:
    """What is read aloud, for the printer."""
    found = lines.sentences(own_voice.speaker(house().configuration), _language(language), at())
    return page(
        "prompts/listing.html",
        language=language,
        rows=[(each, _allowed(each)) for each in found if each.recordable],
    )


@area.page("/prompts/<language>/line/<name>", May.PROMPTS)
def show(language: str, name: str) -> str:
    return _shown(language, _sentence(language, name))


@area.page("/prompts/<language>/line/<name>", May.PROMPTS, post=True)
def put(language: str, name: str) -> Answer:
    """A file from now on in the place of the voice. It is looked at before anything is written."""
    sentence = _sentence(language, name)
    number = request.form.get("number", "")
    if number and number not in house().configuration.our_numbers:
        raise NotFound
    file = request.files.get("sound")
    content = file.read(LARGEST_FILE + 1) if file else b""
    if not content:
        return _shown(language, sentence, number=number, wrong=words()("prompts.wrong-no-file")), 422
    try:
        made = lines.recorded(sentence, content)
    except RecordingRefused as refused:
        wrong = words()(f"prompts.wrong-{refused.reason}", **_values(refused))
        return _shown(language, sentence, number=number, wrong=wrong), 422
    with writing() as connection:
        kept.put(
            connection,
            user().actor,
            at(),
            number=number,
            language=language,
            line=name,
            text=sentence.text,
            prepared=made,
        )
    return to("prompts.show", "prompts.put", language=language, name=name)


@area.page(f"/prompts/sound/<{ID}:recording_id>", May.PROMPTS)
def sound(recording_id: int) -> Response:
    """What callers hear."""
    try:
        with reading() as connection:
            content = kept.content(connection, kept.find(connection, recording_id).digest)
    except kept.UnknownRecording:
        raise NotFound from None
    # In parts, if it is asked so: some browsers play nothing else.
    answer = send_file(io.BytesIO(content or b""), mimetype="audio/wav", etag=False, conditional=True)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@area.page(f"/prompts/sound/<{ID}:recording_id>/remove", May.PROMPTS, post=True)
def remove(recording_id: int) -> AnyResponse:
    """Have the sentence spoken again."""
    try:
        with writing() as connection:
            gone = kept.remove(connection, user().actor, at(), recording_id)
    except kept.UnknownRecording:
        raise NotFound from None
    return to("prompts.show", "prompts.removed", language=gone.language, name=gone.line)


def _shown(language: str, sentence: Sentence, **more: object) -> str:
    configuration = house().configuration
    with reading() as connection:
        found = own_voice.listing(connection, configuration, language, at())
        standing = next(found for each, found in found if each.name == sentence.name)
        names = actors(connection, [each.recording.recorded_by for each in standing])
    return page(
        "prompts/show.html",
        language=language,
        sentence=sentence,
        standing=standing,
        names=names,
        allowed=_allowed(sentence),
        numbers=configuration.number,
        **{"number": "", "wrong": "", **more},
    )


def _allowed(sentence: Sentence) -> tuple[str, str]:
    shortest, longest = seconds_allowed(sentence.text, menu=sentence.name == lines.MENU)
    return _figure(shortest), _figure(longest)


def _values(refused: RecordingRefused) -> dict[str, object]:
    return {
        name: _figure(value) if isinstance(value, float) else value for name, value in refused.values.items()
    }


def _figure(seconds: float) -> str:
    return f"{seconds:.1f}" if words().language == "en" else f"{seconds:.1f}".replace(".", ",")


def _language(language: str) -> str:
    if language not in spoken_languages():
        raise NotFound
    return language


def _sentence(language: str, name: str) -> Sentence:
    try:
        found = lines.sentence(own_voice.speaker(house().configuration), _language(language), at(), name)
    except LookupError:
        raise NotFound from None
    return found
