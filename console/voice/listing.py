"""What people see of it: every sentence with its recordings, and how it is with each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection

from console.settings import Configuration
from console.voice.keeping import waiting_for
from ivr.own_voice import kept
from ivr.own_voice.kept import Recording
from ivr.own_voice.lines import Sentence, sentences
from ivr.prompts import Speaker


def speaker(configuration: Configuration) -> Speaker:
    """Who says what is not recorded."""
    return Speaker(configuration.service.name, configuration.zone, configuration.urgency)


@dataclass(frozen=True)
class Standing:
    """A recording and how it is with it: played; waiting, for `nodes` that have not got it yet; outdated,
    since the sentence is worded otherwise today; unsigned, for want of service.signing_key.
    """

    recording: Recording
    state: Literal["played", "waiting", "outdated", "unsigned"]
    nodes: tuple[str, ...] = ()


def listing(
    connection: Connection, configuration: Configuration, language: str, at: datetime
) -> list[tuple[Sentence, list[Standing]]]:
    """Every sentence of the language with its recordings, in the catalogue's order. Raises LookupError."""
    lacking = waiting_for(connection)
    by_line: dict[str, list[Recording]] = {}
    for each in kept.standing(connection):
        if each.language == language:
            by_line.setdefault(each.line, []).append(each)
    signed = bool(configuration.service.signing_key.get_secret_value())

    def standing(recording: Recording, sentence: Sentence) -> Standing:
        if not sentence.recordable or recording.text != sentence.text:
            return Standing(recording, "outdated")
        if not signed:
            return Standing(recording, "unsigned")
        nodes = tuple(lacking.get(recording.digest, ()))
        return Standing(recording, "waiting" if nodes else "played", nodes)

    return [
        (sentence, [standing(each, sentence) for each in by_line.get(sentence.name, ())])
        for sentence in sentences(speaker(configuration), language, at)
    ]
