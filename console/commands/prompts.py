"""`ivr prompt`"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from console.commands.common import Context, Refused, json_option, local, print_json, table
from console.settings import Configuration
from console.voice import listing as own_voice
from ivr.own_voice import kept, lines
from ivr.own_voice.checking import LARGEST_FILE, Prepared, seconds_allowed
from ivr.own_voice.lines import MENU, Sentence
from ivr.own_voice.wav import RecordingRefused
from ivr.prompts import spoken_languages

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
_file = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group()
def prompt() -> None:
    """Sentences in your own voice: recorded, they are played instead of being spoken.

    FILE is a WAV file of one sentence, read aloud as `ivr prompt listing` shows it. Sentences that differ
    from call to call stay spoken, and so do those that technicians hear.
    """


def _which(function: Decorated) -> Decorated:
    """--line, --language and --number."""
    for option in (
        click.option("--number", metavar="E164", default="", help="On this number of ours alone."),
        click.option("--language", metavar="LANGUAGE", help="it, en, de; the first of the configuration's."),
        click.option("--line", "name", metavar="NAME", required=True, help="The sentence's name."),
    ):
        function = option(function)
    return function


@prompt.command()
@_file
@_which
@json_option
@click.pass_obj
def put(context: Context, file: Path, name: str, language: str | None, number: str, as_json: bool) -> None:
    """Play FILE from now on."""
    configuration = context.configuration
    spoken = _language(configuration, language)
    _check_number(configuration, number)
    sentence, made = _prepared(context, file, name, spoken)
    with context.writing() as connection:
        recording = kept.put(
            connection,
            context.actor,
            context.at,
            number=number,
            language=spoken,
            line=name,
            text=sentence.text,
            prepared=made,
        )
    if as_json:
        print_json({"id": recording.id, "digest": recording.digest, "seconds": round(recording.seconds, 2)})
        return
    where = f"on {number}" if number else "on every number"
    click.echo(f"{name} ({spoken}) is played {where}: {_figures(made)}")


@prompt.command()
@_file
@_which
@json_option
@click.pass_obj
def check(context: Context, file: Path, name: str, language: str | None, number: str, as_json: bool) -> None:
    """Say whether FILE can be played, and change nothing."""
    _check_number(context.configuration, number)
    sentence, made = _prepared(context, file, name, _language(context.configuration, language))
    if as_json:
        figures = {"was": made.was, "loudness": made.loudness, "peak": made.peak, "trimmed": made.trimmed}
        print_json(
            {"seconds": round(made.seconds, 2)} | {key: round(each, 1) for key, each in figures.items()}
        )
        return
    click.echo(f"good: {_figures(made)}; read: {sentence.text}")


@prompt.command()
@_which
@click.pass_obj
def remove(context: Context, name: str, language: str | None, number: str) -> None:
    """Have the sentence spoken again."""
    spoken = _language(context.configuration, language)
    try:
        with context.writing() as connection:
            found = kept.named(connection, number, spoken, name)
            kept.remove(connection, context.actor, context.at, found.id)
    except kept.UnknownRecording:
        where = f" on {number}" if number else ""
        raise Refused(f"{name} is not recorded in {spoken}{where}") from None
    click.echo(f"{name} ({spoken}) is spoken again")


@prompt.command("list")
@json_option
@click.pass_obj
def list_(context: Context, as_json: bool) -> None:
    """What is recorded, and whether it is played."""
    configuration = context.configuration
    with context.reading() as connection:
        found = [
            each
            for language in spoken_languages()
            for _, standing in own_voice.listing(connection, configuration, language, context.at)
            for each in standing
        ]
    if as_json:
        print_json(
            {
                "recordings": [
                    {
                        "line": each.recording.line,
                        "language": each.recording.language,
                        "number": each.recording.number or None,
                        "seconds": each.recording.seconds,
                        "state": each.state,
                        "waiting_for": list(each.nodes),
                        "since": local(each.recording.recorded_at, configuration.zone),
                        "by": each.recording.recorded_by,
                    }
                    for each in found
                ]
            }
        )
        return
    rows = [
        (
            each.recording.line,
            each.recording.language,
            each.recording.number or "every number",
            f"{each.recording.seconds:.1f} s",
            f"waiting for {', '.join(each.nodes)}" if each.nodes else each.state,
            each.recording.recorded_by,
        )
        for each in found
    ]
    table(rows, ("line", "language", "number", "length", "state", "by"))


@prompt.command()
@click.option("--language", metavar="LANGUAGE", help="it, en, de; the first of the configuration's.")
@click.option("--all", "everything", is_flag=True, help="Also what stays spoken.")
@json_option
@click.pass_obj
def listing(context: Context, language: str | None, everything: bool, as_json: bool) -> None:
    """What is to be read aloud, numbered: to be printed and taken to the microphone."""
    configuration = context.configuration
    found = [
        each
        for each in lines.sentences(
            own_voice.speaker(configuration), _language(configuration, language), context.at
        )
        if everything or each.recordable
    ]
    if as_json:
        print_json({"sentences": [_as_json(each) for each in found]})
        return
    for each in found:
        shortest, longest = seconds_allowed(each.text, menu=each.name == MENU)
        about = f"{shortest:.1f} to {longest:.1f} s" if each.recordable else f"stays spoken: {each.why}"
        click.echo(f"{each.place:3}. {each.name} ({about})\n     {each.text}\n")


def _as_json(sentence: Sentence) -> dict[str, object]:
    return {
        "place": sentence.place,
        "line": sentence.name,
        "text": sentence.text,
        "variable": list(sentence.variable),
        "recordable": sentence.recordable,
        "why": sentence.why or None,
    }


def _language(configuration: Configuration, language: str | None) -> str:
    spoken = language or configuration.service.languages[0]
    if spoken not in spoken_languages():
        raise Refused(f"{spoken!r} is not spoken here: give {', '.join(spoken_languages())}")
    return spoken


def _check_number(configuration: Configuration, number: str) -> None:
    if number and number not in configuration.our_numbers:
        raise Refused(f"{number} is not one of our numbers: {', '.join(configuration.our_numbers)}")


def _prepared(context: Context, file: Path, name: str, language: str) -> tuple[Sentence, Prepared]:
    try:
        sentence = lines.sentence(own_voice.speaker(context.configuration), language, context.at, name)
        with file.open("rb") as opened:
            content = opened.read(LARGEST_FILE + 1)
        return sentence, lines.recorded(sentence, content)
    except LookupError:
        raise Refused(f"there is no sentence {name!r}: see `ivr prompt listing --all`") from None
    except RecordingRefused as refused:
        raise Refused(f"{file.name}: {refused}") from None
    except OSError as error:
        raise Refused(f"{file.name}: {error.strerror}") from None


def _figures(made: Prepared) -> str:
    return (
        f"{made.seconds:.1f} s, speech at {made.was:.0f} dBFS brought to {made.loudness:.0f}, "
        f"peak {made.peak:.0f} dBFS, {made.trimmed:.1f} s of silence taken away"
    )
