"""`ivr pin rekey`: every PIN under the newest pepper, while calls are served."""

from __future__ import annotations

import sys
import time

import click

from console.commands.common import Context, Refused, json_option, print_json, refusing
from console.house import House, system_clock
from console.outside import follow
from pins import keyring, rekey
from pins.keyring import UnknownNode
from storage.engine import Database

# Rows written in one transaction. On SQLite calls wait for it: a batch that took longer than this, as with
# a million rows on a slow disk, makes the next ones smaller.
BATCH, SMALLEST = 500, 50
LONG = 0.05
# Between two of them others write: at least this long, and as long as the batch took.
SHORTEST_PAUSE = 0.01


@click.command("rekey")
@click.option("--forget", "gone", multiple=True, metavar="NODE", help="A node that is no more; repeatable.")
@json_option
@click.pass_obj
def rekey_command(context: Context, gone: tuple[str, ...], as_json: bool) -> None:
    """Put every PIN under the newest pepper, without knowing one of them.

    Add the new pepper at the end of pins.peppers, restart `serve` on every node, then run this. Calls are
    served meanwhile. It may be stopped at any moment and run again. No pepper may ever be removed from the
    list afterwards: the older ones stay inside what the newest one wraps.
    """
    settings = context.configuration.pins
    newest = len(settings.peppers)
    if not newest:
        raise Refused("pins.peppers is empty: there is no key to put PINs under")
    with context.house() as house, refusing():
        _check(context, house, gone)
        with house.database.read() as connection:
            rows = rekey.left(connection, newest)
            interrupted = rekey.interrupted(connection)
        wrapped = 0
        if rows:
            with house.database.write() as connection:
                rekey.start(connection, context.actor, context.at, newest, rows)
        if rows or interrupted:
            wrapped = _wrap_all(house.database, rekey.peppers_of(settings), rows)
            with house.database.write() as connection:
                rekey.end(connection, context.actor, system_clock(), newest, wrapped)
            follow(house, context.at)
        with house.database.read() as connection:
            in_use = keyring.versions_in_use(connection).costs
    idle = sorted(cost.version for cost in settings.former_costs if cost.version not in in_use)
    if as_json:
        print_json({"pepper": newest, "rows": wrapped, "former_costs_not_needed": idle})
        return
    click.echo(f"Every PIN stands under pepper {newest}; {wrapped} rows were changed.")
    for version in idle:
        click.echo(f"No live PIN was hashed at cost version {version}: pins.former_costs can do without it.")


def _check(context: Context, house: House, gone: tuple[str, ...]) -> None:
    """Raises Refused if some node, or this configuration, lacks a key that PINs stand or will stand under."""
    settings = context.configuration.pins
    with house.database.write() as connection:
        try:
            for node in gone:
                keyring.forget_holder(connection, context.actor, context.at, node)
        except UnknownNode as unknown:
            raise Refused(str(unknown)) from None
    with house.database.write() as connection:
        keyring.remember(connection, context.at, settings)
        faults = keyring.faults(connection, settings)
        lagging = keyring.lagging(connection, len(settings.peppers))
    if faults:
        raise Refused("; ".join(faults))
    _refuse_for(lagging, len(settings.peppers))


def _refuse_for(lagging: list[keyring.Holder], newest: int) -> None:
    if lagging:
        told = ", ".join(f"{holder.node} ({holder.peppers} of {newest})" for holder in lagging)
        refused = Refused(
            f"these nodes do not know all peppers yet: {told}. Restart `ivr serve` there with the new "
            "configuration; give --forget NODE for one that is no more"
        )
        # Shown here: the name of a machine may hold as many digits as a PIN, and commands on PINs leave
        # those out of what they refuse with.
        refused.show()
        raise SystemExit(refused.exit_code)


def _wrap_all(database: Database, peppers: list[bytes], rows: int) -> int:
    """Wrap batch after batch; returns how many rows were changed. Each batch is committed by itself."""
    newest, wrapped, size = len(peppers), 0, BATCH
    while True:
        with database.read() as connection:
            batch = rekey.next_batch(connection, peppers, size)
            # A node may have been started meanwhile with an old configuration.
            _refuse_for(keyring.lagging(connection, newest), newest)
        if batch is None:
            _progress(wrapped, rows, "\n" if wrapped else "")
            return wrapped
        began = time.monotonic()
        with database.write() as connection:
            wrapped += rekey.write_batch(connection, batch, newest)
        _progress(wrapped, rows)
        took = time.monotonic() - began
        size = next_size(size, took)
        time.sleep(max(SHORTEST_PAUSE, took))


def next_size(size: int, took: float) -> int:
    """Rows of the next batch, when one of `size` rows took so many seconds."""
    if took > LONG:
        return max(SMALLEST, size // 2)
    return min(BATCH, size * 2) if took < LONG / 4 else size


def _progress(wrapped: int, rows: int, end: str = "") -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{wrapped} of {rows} rows{end}", nl=False, err=True)
