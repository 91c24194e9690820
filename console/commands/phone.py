"""`ivr phone`: a telephone in the terminal, or one that plays a conversation from a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click

from console.commands.common import Context, Refused, instant
from console.demonstration import cast
from console.first_configuration import example_path
from console.phone import BadCallFile, Mismatch, lines, parse
from console.phone.callfile import ClockStands
from console.rehearsing import stage, summary
from console.rehearsing.rehearsal import ACTOR, Rehearsal
from console.rehearsing.stage import Stage
from console.settings import Configuration, load
from console.terminal import piped


@click.command()
@click.argument(
    "file",
    metavar="[FILE.call]",
    required=False,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
)
@click.option("--at", "when", metavar="INSTANT", help="Sets the telephone's clock; a file's own @ line wins.")
@click.option("--from", "caller", metavar="WHO", help="A customer's code, unknown, withheld or a number.")
@click.option("--number", metavar="NAME", help="Which of our numbers is called, by name or in E.164.")
@click.option("--save", metavar="FILE.call", type=click.Path(path_type=Path), help="Write it as a test.")
@click.option("--speak/--no-speak", default=None, help="Speak through espeak-ng; on if it is installed.")
@click.option("--live", is_flag=True, help="Phone the running service, over HTTP and by the real clock.")
@click.option("--requests", is_flag=True, help="Show the webhooks as well.")
@click.pass_obj
def phone(
    context: Context,
    file: Path | None,
    when: str | None,
    caller: str | None,
    number: str | None,
    save: Path | None,
    speak: bool | None,
    live: bool,
    requests: bool,
) -> None:
    """Play a call by hand: press keys, wait, hang up, play the technicians.

    Works on a throwaway copy. With a configuration: its rules, rota and customers, each with a PIN for
    this rehearsal alone. Without one: the demonstration's. The keys stand at the foot of the screen;
    Tab or a capital letter says whose phone the digits are for.

    If standard input is no terminal, commands are read from it line by line: 1, p acme, anna answers,
    anna 1, wait, speak 12, hangup.

    With FILE.call the conversation in it is played and printed; exit 1 where it goes another way.
    """
    if file is not None:
        given = {"--from": caller, "--number": number, "--save": save, "--live": live or None}
        if wrong := [name for name, value in given.items() if value is not None]:
            raise click.UsageError(f"{wrong[0]} is for a call by hand, not for a file")
        _play(context, file, when, requests)
        return
    if live and (when or save):
        name = "--at" if when else "--save"
        raise click.UsageError(f"{name} is for a rehearsal: --live goes by the real clock, with real PINs")
    if save is not None and save.exists():
        raise Refused(f"{save} exists already and is left as it is")
    with _live(context) if live else _rehearsed(context, when) as set_up:
        try:
            caller, number = set_up.caller(caller), set_up.number(number)
        except LookupError as error:
            raise Refused(str(error.args[0])) from None
        try:
            if _whole_screen():
                _by_hand(set_up, caller, number, speak)
            else:
                piped.run(set_up, sys.stdin, click.echo, caller=caller, number=number, requests=requests)
        except piped.WrongOrder as error:
            raise Refused(str(error)) from None
        _tell_and_save(set_up, save)


def _play(context: Context, file: Path, when: str | None, requests: bool) -> None:
    text = file.read_text(encoding="utf-8")
    with _rehearsal(context, when, text) as rehearsal:
        try:
            rehearsal.play(text, str(file))
        except (BadCallFile, Mismatch) as error:
            raise Refused(str(error)) from None
        finally:
            for text in lines(rehearsal.exchange.events, rehearsal.cast(), requests=requests):
                click.echo(text)


def _whole_screen() -> bool:
    """Whether there is a terminal that can be drawn on; failing that, lines are read and written."""
    able = os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
    return able and sys.stdin.isatty() and sys.stdout.isatty()


def _by_hand(set_up: Stage, caller: str, number: str, speak: bool | None) -> None:
    # rich takes a tenth of a second to load, which nobody needs who only pipes.
    from rich.console import Console

    from console.terminal import fullscreen, speech
    from console.terminal.hands import Hands
    from console.terminal.keyboard import Keyboard

    voice = None if speak is False else speech.program()
    fullscreen.run(
        Hands(set_up, caller=caller, number=number),
        Keyboard(sys.stdin.fileno()),
        speech.Speaker(voice),
        Console(),
    )


def _tell_and_save(set_up: Stage, path: Path | None) -> None:
    call = set_up.session.call
    if call is None:
        click.echo("Nobody called.")
        return
    found = summary.of_call(set_up.database, call.sid)
    click.echo()
    if found is None:
        click.echo("The journal knows nothing of this call.")
    for name, value in found.lines(set_up.configuration.zone) if found else []:
        click.echo(f"{name:9} {value}")
    if path is not None:
        try:
            summary.save_as_test(set_up.session, found, path)
        except FileExistsError:
            raise Refused(f"{path} exists already and is left as it is") from None
        except OSError as error:
            raise Refused(f"{path} cannot be written: {error.strerror}") from None
        click.echo(f"{'saved':9} {path}")


# -- where it stands -----------------------------------------------------------------------------


@contextmanager
def _rehearsal(context: Context, when: str | None, played: str = "") -> Iterator[Rehearsal]:
    """The throwaway copy with everybody in it, at the instant where `played` begins if it says so."""
    real = context.config_path.exists()
    configuration = context.configuration if real else shipped()
    at = _begins(played, configuration) or (instant(when, configuration.zone) if when else context.at)
    with Rehearsal(configuration, at) as rehearsal:
        if real:
            with context.house() as house:
                rehearsal.copy(house.database)
        else:
            cast.enter(rehearsal.house, ACTOR, at)
            for code, *_ in cast.CUSTOMERS:
                rehearsal.issue(code)
        yield rehearsal


@contextmanager
def _rehearsed(context: Context, when: str | None) -> Iterator[Stage]:
    with _rehearsal(context, when) as rehearsal:
        yield stage.rehearsed(rehearsal)


@contextmanager
def _live(context: Context) -> Iterator[Stage]:
    configuration = context.configuration
    if missing := configuration.missing_for_calls():
        raise Refused(f"{context.config_path}: missing {', '.join(missing)}")
    with context.house() as house:
        yield stage.live(configuration, house.database)


def _begins(played: str, configuration: Configuration) -> datetime | None:
    """The instant at which a `.call` file begins; None if it names none, or cannot be read."""
    try:
        told = next((line.at for line in parse(played).lines if isinstance(line, ClockStands)), None)
    except BadCallFile:  # told where it is played
        return None
    return told and (told if told.tzinfo else told.replace(tzinfo=configuration.zone))


def shipped() -> Configuration:
    """The configuration as it is shipped."""
    return load(example_path())
