"""The command `ivr`: thin. Each command parses, opens a transaction, calls a verb, prints."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from console.commands import (
    audit,
    calls,
    cases,
    customers,
    explain,
    keys,
    phone,
    pins,
    rota,
    service,
    technicians,
)
from console.commands.common import Context, Refused
from console.commands.hidden import REFUSAL, looks_like_a_pin


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="IVR_CONFIG",
    default=Path("config.toml"),
    show_default=True,
    help="The configuration file.",
)
@click.pass_context
def ivr(context: click.Context, config_path: Path) -> None:
    """The after-hours telephone: customers key a PIN, state an urgency, reach the technician on duty."""
    context.obj = Context(config_path)


for command in (
    service.init,
    service.demo,
    service.serve,
    service.migrate,
    explain.explain,
    customers.customer,
    pins.pin,
    technicians.technician,
    rota.rota,
    phone.phone,
    calls.call,
    cases.case,
    audit.audit,
):
    ivr.add_command(command)
pins.pin.add_command(keys.rekey_command)


def main() -> None:
    """The entry point of the `ivr` executable."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for chatty in ("alembic", "apscheduler"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if any(looks_like_a_pin(argument) for argument in sys.argv[1:]):
        Refused(REFUSAL).show()
        sys.exit(1)
    ivr()
