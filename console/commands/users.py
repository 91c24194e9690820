"""`ivr user`: who may log in to the console."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import click

from console.access import users
from console.access.roles import Role
from console.access.users import LANGUAGES, User, UserRefused
from console.commands.common import Context, Refused, json_option, local, print_json, table
from console.settings import Configuration


@click.group()
def user() -> None:
    """Console logins. Each user sets password and second factor himself, by a link that is good once."""


@user.command()
@click.argument("name")
@click.option(
    "--role", type=click.Choice([role.value for role in Role]), required=True, help="What he may do."
)
@click.option("--full-name", metavar="TEXT", default="", help="As the console calls him.")
@click.option("--technician", metavar="KEY", help="Who he is on the rota; needed for the role technician.")
@click.option("--language", type=click.Choice(LANGUAGES), help="The service's first language if not given.")
@json_option
@click.pass_obj
def add(
    context: Context,
    name: str,
    role: str,
    full_name: str,
    technician: str | None,
    language: str | None,
    as_json: bool,
) -> None:
    """Add a user; prints the link by which he sets himself up, good for 24 hours."""
    _keyed(context.configuration)
    with _refusing(), context.writing() as connection:
        made = users.add(
            connection,
            context.actor,
            context.at,
            name,
            role,
            full_name=full_name,
            technician=technician,
            language=language,
        )
        token = users.welcome(connection, context.at, made)
    _show_link(context, made, token, as_json)


@user.command("list")
@json_option
@click.pass_obj
def list_(context: Context, as_json: bool) -> None:
    """Everybody who may log in."""
    zone = context.configuration.zone
    with context.reading() as connection:
        found = users.everybody(connection)
    if as_json:
        print_json(
            {
                "users": [
                    {
                        "name": each.name,
                        "full_name": each.full_name,
                        "role": each.role,
                        "technician": each.technician,
                        "language": each.language,
                        "ready": each.ready,
                        "locked_until": local(_still_locked(context, each), zone),
                        "last_login": local(each.last_login_at, zone),
                    }
                    for each in found
                ]
            }
        )
        return
    rows = [
        (
            each.name,
            each.full_name,
            each.role,
            each.technician or "–",
            "locked" if _still_locked(context, each) else "ready" if each.ready else "not set up",
            (local(each.last_login_at, zone) or "never")[:16].replace("T", " "),
        )
        for each in found
    ]
    table(rows, ("user", "name", "role", "technician", "state", "last login"))


@user.command()
@click.argument("name")
@json_option
@click.pass_obj
def reset(context: Context, name: str, as_json: bool) -> None:
    """Take password, second factor, lock and sessions from a user; prints a new link for him."""
    _keyed(context.configuration)
    with _refusing(), context.writing() as connection:
        token = users.reset(connection, context.actor, context.at, name)
        found = users.find(connection, name)
    _show_link(context, found, token, as_json)


@user.command()
@click.argument("name")
@click.pass_obj
def unlock(context: Context, name: str) -> None:
    """Let a user try again now who failed ten times."""
    with _refusing(), context.writing() as connection:
        users.unlock(connection, context.actor, context.at, name)
    click.echo(f"{name} may try again.")


@user.command()
@click.argument("name")
@click.pass_obj
def remove(context: Context, name: str) -> None:
    """Remove a user: he can log in no more, and what he did stays on record."""
    with _refusing(), context.writing() as connection:
        users.remove(connection, context.actor, context.at, name)
    click.echo(f"{name} can log in no more.")


def console_address(configuration: Configuration) -> str:
    """Where the console is reached: as configured, else on this machine."""
    return configuration.console.address or f"http://{configuration.console.listen}"


def _show_link(context: Context, found: User, token: str, as_json: bool) -> None:
    link = f"{console_address(context.configuration)}/welcome/{token}"
    expires = local(context.at + users.WELCOME_LASTS, context.configuration.zone)
    if as_json:
        print_json({"name": found.name, "role": found.role, "link": link, "expires": expires})
        return
    click.echo(f"{found.name} ({found.role}) sets a password and a second factor here, once, by {expires}:")
    click.echo(link)


def _still_locked(context: Context, found: User) -> datetime | None:
    return found.locked_until if found.locked_until and found.locked_until > context.at else None


def _keyed(configuration: Configuration) -> None:
    """The console's keys come from service.keys."""
    if not configuration.service.keys:
        raise Refused("service.keys is missing: the console cannot keep second factors")


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except UserRefused as refused:
        raise Refused(str(refused)) from None
