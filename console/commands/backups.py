"""`ivr backup` and `ivr restore`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from console.backups import making, restoring
from console.backups.making import BackupRefused, Made
from console.backups.reading import BackupUnusable
from console.backups.restoring import LedgerNeeded, Restored
from console.commands.common import Context, Refused, json_option, local, print_json, refusing
from console.house import House, open_house

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("file", type=FILE)
@json_option
@click.pass_obj
def backup(context: Context, file: Path, as_json: bool) -> None:
    """Write everything into FILE, sealed, while calls are served. See docs/backup.md.

    It holds every table and the recordings of messages, is readable only with backup.sealing_keys, and can be
    restored on SQLite and on PostgreSQL. FILE must not exist.
    """
    with context.house() as house, refusing():
        try:
            made = making.make(house, file, context.at, context.actor)
        except BackupRefused as why:
            raise Refused(str(why)) from None
        except OSError as error:
            raise Refused(f"{file} cannot be written: {error.strerror}") from None
    if as_json:
        print_json(_made(context, made))
        return
    click.echo(f"{made.file}: {made.rows} rows of {made.tables} tables, {made.recordings} recordings")
    if not made.noted:
        click.echo("note: the ledger does not know of it; restoring it will ask for confirmation", err=True)


def _made(context: Context, made: Made) -> dict[str, object]:
    return {
        "file": str(made.file),
        "backup": made.identity,
        "at": local(made.at, context.configuration.zone),
        "tables": made.tables,
        "rows": made.rows,
        "recordings": made.recordings,
        "bytes": made.size,
        "in_ledger": made.noted,
    }


@click.command()
@click.argument("file", type=FILE)
@click.option("--ledger", "others", multiple=True, type=FILE, help="Another ledger to go by; repeatable.")
@click.option(
    "--without-ledger",
    is_flag=True,
    help="Go on although no ledger knows of this backup, or one is damaged: what was revoked or erased since "
    "may come back.",
)
@click.option(
    "--moved",
    is_flag=True,
    help="The service was stopped when FILE was written and has not run since: let all work go on as it was.",
)
@json_option
@click.pass_obj
def restore(
    context: Context, file: Path, others: tuple[Path, ...], without_ledger: bool, moved: bool, as_json: bool
) -> None:
    """Restore FILE into an empty database, with the service stopped. See docs/backup.md.

    All of it or nothing. What was revoked or erased since is revoked and erased again, by the ledger in the
    state folder. Sessions and links are ended; open cases that nobody had are pursued again after 15 minutes.
    """
    house = open_house(context.configuration)
    try:
        with refusing():
            done = _restore(context, house, file, others, without_ledger, moved)
    except (BackupRefused, BackupUnusable) as why:
        raise Refused(f"{file}: {why}") from None
    except LedgerNeeded as why:
        raise Refused(
            f"{why}: what was revoked or erased since may come back; give --ledger FILE, or --without-ledger"
        ) from None
    except OSError as error:
        raise Refused(f"{error.filename or file}: {error.strerror or type(error).__name__}") from None
    finally:
        house.close()
    _say(context, done, as_json)


def _restore(
    context: Context, house: House, file: Path, others: tuple[Path, ...], without: bool, moved: bool
) -> Restored:
    found = restoring.examine(house, file)
    known = restoring.ledgers(house, found, others)

    def go_on(without: bool) -> Restored:
        return restoring.restore(
            house, found, known, context.at, context.actor, without_ledger=without, moved=moved
        )

    try:
        return go_on(without)
    except LedgerNeeded as why:
        if not _somebody_is_there():
            raise
        click.echo(f"{why}: what was revoked or erased since may come back.", err=True)
        if not click.confirm("Restore all the same?", err=True):
            raise
        return go_on(True)


def _somebody_is_there() -> bool:
    return sys.stdin.isatty()


def _say(context: Context, done: Restored, as_json: bool) -> None:
    after = done.aftermath
    at = local(done.backup.at, context.configuration.zone)
    if as_json:
        print_json(
            {
                "backup": done.backup.identity,
                "at": at,
                "rows": done.rows,
                "recordings": done.recordings,
                "revoked": done.pins,
                "erased": done.customers,
                "users_removed": done.users,
                "calendars_ended": done.feeds,
                "tokens_revoked": done.tokens,
                "pursued": after.pursued if after else [],
                "ended": after.ended if after else {},
                "doubt": done.doubt,
                "audit_faults": [{"id": fault.id, "what": fault.what} for fault in done.faults],
                "warnings": done.warnings,
            }
        )
        return
    click.echo(f"{done.rows} rows and {done.recordings} recordings are as they were at {at}.")
    click.echo(
        f"By the ledger: {done.pins} PINs revoked, {done.customers} customers erased, {done.users} users "
        f"removed, {done.feeds} calendar addresses ended, {done.tokens} tokens revoked."
    )
    if after is not None:
        if after.ended:
            many = sum(after.ended.values())
            click.echo(f"Notices and calls to technicians that waited then, and are not sent now: {many}.")
        click.echo("Nobody is logged in to the console, and no link of before opens anything.")
        if after.pursued:
            click.echo(f"Open, and nobody had them: {', '.join(after.pursued)}.")
            click.echo("They are pursued from 15 minutes on: close what was dealt with (`ivr case close`).")
    for fault in done.faults[:20]:
        click.echo(f"audit log, row {fault.id} {fault.what}", err=True)
    for warning in [*done.warnings, *([f"without a ledger: {done.doubt}"] if done.doubt else [])]:
        click.echo(f"warning: {warning}", err=True)
    click.echo("Start the service: `ivr serve`.")
