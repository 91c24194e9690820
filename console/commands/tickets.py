"""`ivr tickets`: what a helpdesk is told"""

from __future__ import annotations

import json
import secrets

import click

from console.commands.common import Context, Refused, json_option, print_json
from console.outbound import mail
from console.outbound.mail import MailFailed, MailRefused
from console.settings import Configuration
from console.tickets import letter, trial, webhook
from console.tickets.payload import Ticket, schema
from console.tickets.webhook import HookFailed


@click.group()
def tickets() -> None:
    """What a helpdesk is told of cases and messages, by e-mail and by a webhook."""


@tickets.command("test")
@json_option
@click.pass_obj
def test_(context: Context, as_json: bool) -> None:
    """Send a test ticket by each configured way, and say what came of it."""
    configuration = context.configuration
    ticket = trial.ticket(configuration, context.at, f"msg_{secrets.token_hex(16)}")
    ways: list[tuple[str, str, str]] = []
    for to in trial.recipients(configuration):
        ways.append(("mail", ", ".join(to), _mailed(context, configuration, ticket, to)))
    if configuration.tickets.webhook.get_secret_value():
        ways.append(("webhook", "", _posted(context, configuration, ticket)))
    if not ways:
        raise Refused("no way is configured: see [tickets]")
    if as_json:
        told = [{"channel": way, "to": who or None, "failed": why or None} for way, who, why in ways]
        print_json({"id": ticket.id, "ways": told})
    else:
        click.echo(f"test ticket {ticket.id}")
        for way, who, why in ways:
            click.echo(f"{way}{f' to {who}' if who else ''}: {why or 'taken'}")
    if any(why for _, _, why in ways):
        raise Refused("not every way works")


@tickets.command("schema")
def schema_() -> None:
    """Print the JSON Schema of the documents that the webhook is sent."""
    click.echo(json.dumps(schema(), indent=2, ensure_ascii=False))


def _mailed(context: Context, configuration: Configuration, ticket: Ticket, to: list[str]) -> str:
    """Why it failed; empty if it was taken."""
    try:
        message = letter.compose(configuration, context.at, to, ticket, ticket.id)
        refused = mail.send(configuration.mail, message, to, configuration.folder)
    except (MailFailed, MailRefused) as why:
        return str(why)
    except ValueError:
        return "mail.sender or a recipient is no address"
    return f"refused for {', '.join(refused)}" if refused else ""


def _posted(context: Context, configuration: Configuration, ticket: Ticket) -> str:
    try:
        webhook.post(configuration.tickets, ticket.id, context.at, ticket.model_dump_json().encode())
    except HookFailed as failed:
        return failed.why
    return ""
