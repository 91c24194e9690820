"""The command `ivr`: thin. Each command parses, opens a transaction, calls a verb, prints."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import click

from console.commands.common import Context, Refused
from console.commands.hidden import REFUSAL, looks_like_a_pin
from console.watching import logs

# Where each command stands. Only the one that is asked for is loaded: `ivr case list` need not wait for
# the telephone's screen and the web server.
COMMANDS = {
    "audit": "audit",
    "backup": "backups",
    "call": "calls",
    "caller": "callers",
    "case": "cases",
    "customer": "customers",
    "demo": "service",
    "doctor": "doctor",
    "explain": "explain",
    "init": "init",
    "migrate": "service",
    "phone": "phone",
    "pin": "pins",
    "privacy": "privacy",
    "purge": "privacy",
    "prompt": "prompts",
    "report": "reports",
    "restore": "backups",
    "rota": "rota",
    "serve": "service",
    "technician": "reach",
    "tickets": "tickets",
    "token": "tokens",
    "twilio": "twilio",
    "user": "users",
}


class Commands(click.Group):
    """The commands by name, each loaded when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"console.commands.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
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


def main() -> None:
    """The entry point of the `ivr` executable."""
    logs.begin()
    if any(looks_like_a_pin(argument) for argument in sys.argv[1:]):
        Refused(REFUSAL).show()
        sys.exit(1)
    ivr()
