"""`ivr twilio fallback`"""

from __future__ import annotations

from typing import Any

import click

from console.commands.common import Context, Refused, json_option, print_json, refusing
from console.house import House
from console.outside import follow
from console.stand_in.content import Document
from console.stand_in.publishing import Published, PublishFailed, is_fresh, publish, wanted

NEEDED = ("twilio.account_sid", "twilio.auth_tokens")


@click.command()
@click.option("--print", "show", is_flag=True, help="Write the document itself, telephone numbers and all.")
@click.option("--publish", "do_publish", is_flag=True, help="Have Twilio serve it, if it has changed.")
@json_option
@click.pass_obj
def fallback(context: Context, show: bool, do_publish: bool, as_json: bool) -> None:
    """The document that serves calls while nothing of ours answers: where it stands, and until when."""
    if show and (do_publish or as_json):
        raise click.UsageError("--print stands alone")
    with context.house() as house:
        with refusing():
            document, known = wanted(house, context.at)
        if show:
            click.echo(document.text, nl=False)
            return
        changed = do_publish and not is_fresh(house, document, known)
        if changed:
            known = _publish(context, house, document)
            follow(house, context.at)
        fresh = is_fresh(house, document, known)
    if as_json:
        print_json(_told(document, known, fresh, changed))
    else:
        _say(context, known, fresh, changed)


def _publish(context: Context, house: House, document: Document) -> Published:
    missing = [each for each in context.configuration.missing_for_calls() if each in NEEDED]
    if missing:
        raise Refused(f"{', '.join(missing)}: missing, and needed at Twilio")
    try:
        with refusing():
            return publish(house, context.actor, context.at, document)
    except PublishFailed as failed:
        raise Refused(f"not published: {failed}") from None


def _say(context: Context, known: Published | None, fresh: bool, changed: bool) -> None:
    if known is None:
        click.echo("not published: --publish has Twilio serve it")
        return
    zone = context.configuration.zone
    click.echo(f"{'published now' if changed else 'published'}: {known.address}")
    click.echo(f"since {known.at.astimezone(zone):%Y-%m-%d %H:%M}")
    click.echo(f"good until {known.covers_until.astimezone(zone):%Y-%m-%d %H:%M}")
    if not fresh:
        click.echo("rota, hours or numbers have changed since: --publish brings it up to date")
    if changed:
        click.echo("our numbers ask it once `ivr twilio provision` has run")


def _told(document: Document, known: Published | None, fresh: bool, changed: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"published": known is not None, "fresh": fresh, "changed": changed}
    told |= {"digest": document.digest, "bytes": len(document.text.encode())}
    if known is not None:
        told |= {
            "address": known.address,
            "published_at": known.at.isoformat(),
            "covers_until": known.covers_until.isoformat(),
        }
    return told
