"""`ivr doctor`"""

from __future__ import annotations

from collections.abc import Iterator

import click

from console.commands.common import Context, json_option, print_json
from console.doctor import told
from console.doctor.examination import Examination, examine
from console.doctor.finding import Finding
from console.house import open_house
from console.settings import ConfigurationRefused, load


@click.command()
@click.option("--offline", is_flag=True, help="Leave out whatever asks the network.")
@json_option
@click.pass_obj
def doctor(context: Context, offline: bool, as_json: bool) -> None:
    """Look for everything that would make tonight go wrong, and say what to do. Exit 1 if something would."""
    try:
        configuration = load(context.config_path)
    except ConfigurationRefused as refused:
        made = Examination(list(_mistakes(refused)), ["everything else"])
    else:
        house = open_house(configuration, hurried=True)
        try:
            made = examine(house, context.at, offline=offline)
        finally:
            house.close()
    if as_json:
        print_json(told.document(made))
    else:
        for line in told.lines(made):
            click.echo(line)
    if not made.ok:
        raise SystemExit(1)


def _mistakes(refused: ConfigurationRefused) -> Iterator[Finding]:
    """Each with the key it is about, as it begins."""
    for mistake in refused.mistakes:
        key = mistake.partition(":")[0] if ": " in mistake else "file"
        remedy = "Correct it in the configuration file; `config.example.toml` explains each key."
        if "`ivr init`" in mistake:
            remedy = "Run `ivr init`, or name the file with --config."
        yield Finding("red", f"mistake.{key}", f"{mistake}.", remedy, "configuration")
