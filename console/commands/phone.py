"""`ivr phone`: a telephone that plays a conversation and prints what everybody hears."""

from __future__ import annotations

from pathlib import Path

import click

from console import cast
from console.commands.common import Context, Refused, instant
from console.phone import BadCallFile, Mismatch, lines
from console.rehearsal import ACTOR, Rehearsal
from console.settings import Configuration, load


@click.command()
@click.argument("file", metavar="FILE.call", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--at", "when", metavar="INSTANT", help="Sets the telephone's clock; a file's own @ line wins.")
@click.option("--requests", is_flag=True, help="Show the webhooks as well.")
@click.pass_obj
def phone(context: Context, file: Path, when: str | None, requests: bool) -> None:
    """Play the conversation in FILE.call on a throwaway copy, and print its transcript.

    With a configuration: its rules, rota and customers, each with a PIN for this rehearsal alone.
    Without one: the demonstration's. Exit 1 where the conversation goes another way than the file.
    """
    real = context.config_path.exists()
    configuration = context.configuration if real else shipped()
    at = instant(when, configuration.zone) if when else context.at
    with Rehearsal(configuration, at) as rehearsal:
        if real:
            with context.house() as house:
                rehearsal.copy(house.database)
        else:
            cast.enter(rehearsal.house, ACTOR, at)
            for code, *_ in cast.CUSTOMERS:
                rehearsal.issue(code)
        try:
            rehearsal.play(file.read_text(encoding="utf-8"), str(file))
        except (BadCallFile, Mismatch) as error:
            raise Refused(str(error)) from None
        finally:
            for text in lines(rehearsal.exchange.events, rehearsal.cast(), requests=requests):
                click.echo(text)


def shipped() -> Configuration:
    """The configuration as it is shipped."""
    return load(example_path())


def example_path() -> Path:
    """`config.example.toml`: beside this package in a wheel, at the top of a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "config.example.toml"
    return inside if inside.exists() else package.parent / "config.example.toml"
