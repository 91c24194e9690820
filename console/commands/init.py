"""`ivr init`: the first configuration, and the database. At a terminal it asks what has no good default."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import click

from console import first_configuration
from console.commands.common import Context, Refused
from console.commands.init_questions import Stopped, Terminal, ask
from console.commands.service import bring_up_to_date
from storage.engine import sqlite_file

# What nobody but its owner knows: not in the file unless somebody answered.
LEFT = ("service.public_url", "twilio.account_sid", "twilio.auth_tokens")


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where state and database go; default: beside the configuration.",
)
@click.option("--no-questions", is_flag=True, help="Ask nothing, also at a terminal.")
@click.pass_obj
def init(context: Context, data: Path | None, no_questions: bool) -> None:
    """Write config.toml with fresh secrets and create the database. Overwrites nothing.

    At a terminal it asks for what has no good default, and writes nothing before you have agreed.
    """
    path = context.config_path
    text = first_configuration.fresh(**_places(data))
    asked = somebody_is_there() and not no_questions
    if asked:
        _may_be_written(path)
        try:
            text = ask(AtTerminal(), text, path)
        except Stopped as why:
            raise Refused(f"{why}: nothing is written") from None
    try:
        if data is not None:
            data.mkdir(mode=0o700, parents=True, exist_ok=True)
        first_configuration.write(path, text)
    except FileExistsError:
        raise Refused(f"{path} exists already and is left as it is") from None
    except OSError as error:
        raise Refused(f"{error.filename or path} cannot be written: {error.strerror}") from None
    bring_up_to_date(context)
    click.echo(f"{path} is written, readable by you alone, and the database is ready.")
    missing = context.configuration.missing_for_calls() if asked else [*LEFT]
    if missing:
        others = ", ".join(missing[:-1])
        click.echo(f"Now set {others}{' and ' if others else ''}{missing[-1]} in it.")
    click.echo("Keep a copy of [pins] peppers and salt elsewhere: without them no PIN works.")
    click.echo("And of [backup] sealing_keys: without them no backup can be read.")
    if not asked:
        click.echo("`ivr doctor` says what is still missing before the first night.")
        return
    ivr = "ivr" if path == Path("config.toml") else f"ivr --config {shlex.quote(str(path))}"
    click.echo("Next:")
    click.echo(f"  {ivr} rota apply rota.toml    # technicians and whose turn it is: docs/rota.md")
    click.echo(f"  {ivr} doctor                  # what is still missing before the first night")
    click.echo(f"  {ivr} serve                   # answers calls; or its unit, see docs/install.md")


def somebody_is_there() -> bool:
    return sys.stdin.isatty()


class AtTerminal(Terminal):
    """Asks whoever sits there. What is asked goes to standard error, as all questions do."""

    def say(self, line: str = "") -> None:
        click.echo(line, err=True)

    def ask(self, question: str, default: str, *, hidden: bool = False) -> str:
        try:
            answer: str = click.prompt(
                question, default, show_default=bool(default) and not hidden, hide_input=hidden, err=True
            )
        except click.Abort:
            self.say()
            raise Stopped("stopped") from None
        return answer.strip()

    def agreed(self, question: str) -> bool:
        try:
            return click.confirm(question, default=None, err=True)
        except click.Abort:
            self.say()
            raise Stopped("stopped") from None


def _places(data: Path | None) -> dict[str, str]:
    """The lines that say where state and database go."""
    if data is None:
        return {}
    folder = data.resolve()
    url = f"sqlite:///{folder}/ivr.db"
    if sqlite_file(url) != folder / "ivr.db":
        raise Refused(f"{data} cannot stand in the address of a database: choose a plainer name")
    return {"state": first_configuration.toml(str(folder)), "url": first_configuration.toml(url)}


def _may_be_written(path: Path) -> None:
    """Before somebody answers for nothing. Raises Refused."""
    if path.exists():
        raise Refused(f"{path} exists already and is left as it is")
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        raise Refused(f"{path} cannot be written: {folder} is not yours to write")
