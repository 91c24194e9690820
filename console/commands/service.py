"""`ivr init`, `serve`, `migrate` and `demo`."""

from __future__ import annotations

import os
import re
import secrets
import signal
import socket
import tempfile
import threading
import time
from pathlib import Path

import click
from cryptography.fernet import Fernet

from console.commands.common import Context, Refused, refusing
from console.commands.phone import example_path
from console.house import open_house, system_clock
from console.outside import follow
from console.reloading import unfit, without_database
from console.service import PARTS, run_part, supervise
from console.settings import load
from pins import keyring
from storage import schema
from storage.engine import sqlite_file


def write_configuration(path: Path, **lines: str) -> None:
    """Write the shipped configuration with fresh secrets, readable by its owner alone.

    `lines` replace the values of keys that stand once, as TOML. Raises FileExistsError.
    """
    text = example_path().read_text(encoding="utf-8")
    lines = {
        "keys": f'["{Fernet.generate_key().decode()}"]',
        "signing_key": f'"{secrets.token_hex(32)}"',
        "peppers": f'["{secrets.token_hex(32)}"]',
        "salt": f'"{secrets.token_hex(16)}"',
        "sealing_keys": f'["{secrets.token_hex(32)}"]',
        **lines,
    }
    for key, value in lines.items():
        text, found = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}", text, count=1)
        assert found, key
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)


@click.command()
@click.pass_obj
def init(context: Context) -> None:
    """Write config.toml with fresh secrets and create the database. Overwrites nothing."""
    path = context.config_path
    try:
        write_configuration(path)
    except FileExistsError:
        raise Refused(f"{path} exists already and is left as it is") from None
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}") from None
    _migrate(context)
    click.echo(f"{path} is written, readable by you alone, and the database is ready.")
    click.echo("Now set service.public_url, twilio.account_sid and twilio.auth_tokens in it.")
    click.echo("Keep a copy of [pins] peppers and salt elsewhere: without them no PIN works.")
    click.echo("And of [backup] sealing_keys: without them no backup can be read.")
    click.echo("`ivr doctor` says what is still missing before the first night.")


@click.command()
@click.pass_obj
def migrate(context: Context) -> None:
    """Bring the database's tables up to date; all of it or nothing."""
    click.echo(f"the database stands at {_migrate(context)}")


def _migrate(context: Context) -> str | None:
    """Returns the revision that the tables stand at afterwards: a newer release's, if that was quicker."""
    configuration = context.configuration
    file = sqlite_file(configuration.database.url, configuration.folder)
    if file is not None and not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
    house = open_house(configuration)
    try:
        with refusing():
            schema.migrate(house.database)
            with house.database.write() as connection:
                keyring.remember(connection, context.at, configuration.pins)
                found = schema.revision(connection)
        follow(house, context.at)
        return found
    except schema.TablesTooNew as error:
        raise Refused(f"database: {error}") from None
    finally:
        house.close()


@click.command()
@click.option("--only", type=click.Choice(PARTS), help="One part alone.")
@click.pass_obj
def serve(context: Context, only: str | None) -> None:
    """Serve calls: webhooks, console and worker, each a process; a dead one is started again.

    TERM ends it. HUP has it read the configuration again: no request is refused meanwhile, and a
    configuration with a mistake changes nothing.
    """
    configuration = context.configuration
    if why := unfit(configuration):
        raise Refused(f"{context.config_path}: {why}")
    if why := without_database(configuration, system_clock()):
        raise Refused(why)
    if only:
        run_part(only, configuration)
        return
    raise SystemExit(supervise(context.config_path.resolve()))


@click.command()
@click.option("--port", type=click.IntRange(1, 65533), default=8080, show_default=True)
@click.pass_obj
def demo(context: Context, port: int) -> None:
    """A demonstration in a throwaway folder: a rehearsed emergency call, then the running service."""
    from console import demo as demonstration
    from console import demo_network

    # TERM ends it as cleanly as Ctrl-C: the folder is removed on the way out.
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(SystemExit(0)))
    with tempfile.TemporaryDirectory(prefix="ivr-demo-") as folder:
        path = Path(folder) / "config.toml"
        write_configuration(
            path,
            public_url=f'"http://127.0.0.1:{port}"',
            account_sid=f'"AC{secrets.token_hex(16)}"',
            auth_tokens=f'["{secrets.token_hex(16)}"]',
        )
        text = path.read_text(encoding="utf-8")
        text = text.replace("127.0.0.1:8080", f"127.0.0.1:{port}").replace(
            "127.0.0.1:8081", f"127.0.0.1:{port + 1}"
        )
        # Nobody is ever phoned by a demonstration.
        network = f'api_base = "http://127.0.0.1:{port + 2}"'
        text = text.replace('# api_base = "http://127.0.0.1:4010"', network)
        path.write_text(text, encoding="utf-8")
        _migrate(Context(path))
        configuration = load(path)
        for line in demonstration.prepare(configuration, context.at):
            click.echo(line)
        for line in demonstration.rehearse(configuration, context.at):
            click.echo(line)
        told = [
            "",
            f"Serving: Twilio's door at http://127.0.0.1:{port}, the console at http://127.0.0.1:{port + 1},",
            f"the browser phone in it at http://127.0.0.1:{port + 1}/rehearse.",
            "Log in to the console by a link, each good once:",
            *demonstration.ways_in(configuration, context.at),
            f"Command: ivr --config {path} call list    Ctrl-C ends it and removes everything.",
        ]
        demo_network.begin(port + 2, click.echo)

        def tell() -> None:
            for each in (port, port + 1):
                _wait_for(each)
            click.echo("\n".join(told))

        # Once both doors answer: whoever reads a link may click it.
        raise SystemExit(supervise(path, threading.Thread(target=tell, daemon=True).start))


def _wait_for(port: int) -> None:
    """Until somebody listens at this port of this machine, or half a minute has passed."""
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
