"""`ivr serve`, `migrate` and `demo`."""

from __future__ import annotations

import secrets
import signal
import socket
import tempfile
import threading
import time
from pathlib import Path

import click

from console.backups import making, upgrade
from console.backups.making import BackupRefused, Made
from console.commands.common import Context, Refused, refusing
from console.first_configuration import write_configuration
from console.house import House, open_house, system_clock
from console.outside import follow
from console.processes.reloading import unfit, without_database
from console.processes.service import PARTS, run_part, supervise
from console.settings import load
from pins import keyring
from storage import schema
from storage.engine import sqlite_file


@click.command()
@click.option("--without-backup", is_flag=True, help="Migrate although no backup can be written first.")
@click.pass_obj
def migrate(context: Context, without_backup: bool) -> None:
    """Bring the database's tables up to date; all of it or nothing.

    What stands in them is written into a backup first, with the folder and the key of [backup]; the way back
    is told at the end. If nothing has to be changed nothing is written.
    """
    found, way_back = bring_up_to_date(context, backed_up=not without_backup)
    click.echo("\n".join([f"the database stands at {found}", *way_back]))


def bring_up_to_date(context: Context, *, backed_up: bool = True) -> tuple[str | None, list[str]]:
    """Returns the revision that the tables stand at afterwards, a newer release's if that was quicker; and
    what is to be said of the way back.
    """
    configuration = context.configuration
    file = sqlite_file(configuration.database.url, configuration.folder)
    if file is not None and not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
    house = open_house(configuration)
    try:
        with refusing():
            before = upgrade.needed(house.database)
            made = _back_up(context, house, before) if before and backed_up else None
            schema.migrate(house.database)
            with house.database.write() as connection:
                keyring.remember(connection, context.at, configuration.pins)
                if made:
                    # Only now: the audit log of before may have been another.
                    making.tell(connection, made, context.actor, context.at)
                found = schema.revision(connection)
        follow(house, context.at)
        return found, upgrade.way_back(made, before, context.config_path) if before and made else []
    except schema.TablesTooNew as error:
        raise Refused(f"database: {error}") from None
    finally:
        house.close()


def _back_up(context: Context, house: House, revision: str) -> Made:
    """Raises Refused: without a way back nothing is migrated unless somebody says so."""
    unless = "nothing is migrated. Mend that, or give --without-backup"
    try:
        made = upgrade.make(house, revision, context.at)
    except BackupRefused as why:
        raise Refused(f"no backup can be written first: {why}; {unless}") from None
    except OSError as error:
        where = error.filename or upgrade.folder_of(house.configuration)
        raise Refused(f"no backup can be written first: {where}: {error.strerror}; {unless}") from None
    click.echo(f"{made.file}: everything as it stood at {revision}, {made.rows} rows")
    return made


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
    from console.demonstration import demo as demonstration
    from console.demonstration import demo_network

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
        bring_up_to_date(Context(path))
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
