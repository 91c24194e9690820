"""`ivr technician` with what tells whether somebody's phone will ring: `card`, `test` and `tests`."""

from __future__ import annotations

from pathlib import Path

import click

from console.commands.common import Context, Refused, json_option, local, print_json, table
from console.commands.technicians import technician as technician
from console.house import rules
from console.outbound import contact_card
from ivr import phone_tests
from ivr.phone_tests import PhoneInUse, Result
from oncall import people
from oncall.people import Technician
from oncall.rota.roster import RosterRefusal

NEEDED = ("service.public_url", "service.keys", "twilio.account_sid", "twilio.auth_tokens")
SAID: dict[Result, str] = {
    "heard": "heard",
    "picked-up": "picked up, no key pressed: perhaps a voicemail",
    "missed": "not picked up",
    "ringing": "no word from the network yet",
}


def _technician(context: Context, key: str) -> Technician:
    try:
        with context.reading() as connection:
            return people.technician(connection, key)
    except RosterRefusal as refused:
        raise Refused(str(refused)) from None


def _language(context: Context, person: Technician) -> str:
    return person.language or context.configuration.service.languages[0]


@technician.command()
@click.argument("key")
@click.option(
    "--to",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file to write it to, ending in .vcf.",
)
@click.pass_obj
def card(context: Context, key: str, file: Path | None) -> None:
    """A contact card with our numbers for the phone of technician KEY, to let them through do-not-disturb.

    With --to it is written to a file, and what he does with it is printed in his language.
    """
    language = _language(context, _technician(context, key))
    written = contact_card.vcard(context.configuration, language)
    if file is None:
        click.echo(written.encode(), nl=False)  # as bytes: its lines end as a card's must
        return
    try:
        file.write_bytes(written.encode())
    except OSError as error:
        raise Refused(f"{file} cannot be written: {error.strerror}") from None
    click.echo(contact_card.how_to_use(language, key), nl=False)


@technician.command()
@click.argument("key")
@click.option("--phone", metavar="E164", help="Another of his phones than the first.")
@click.pass_obj
def test(context: Context, key: str, phone: str | None) -> None:
    """Call technician KEY now, to try whether his phone rings. He presses 1 if he hears us."""
    configuration = context.configuration
    if missing := [path for path in configuration.missing_for_calls() if path in NEEDED]:
        raise Refused(f"no call can be placed: {', '.join(missing)} missing")
    person = _technician(context, key)
    if person.retired_at is not None and person.retired_at <= context.at:
        raise Refused(f"{key} is no longer in service")
    from console.outbound import calling  # loads the webhook door, which no other of these commands needs

    phone = person.phone if phone is None else phone
    if phone not in person.phones:
        raise Refused(f"{phone} is no phone of {key}: {', '.join(person.phones)}")
    try:
        with context.writing() as connection:
            call = phone_tests.begin(
                connection, context.at, rules(configuration), person, phone, _language(context, person)
            )
            calling.later(connection, context.at, call, person.rings or configuration.ringing.rings)
    except PhoneInUse:
        raise Refused(f"{phone} is ringing or talking for us now: try again later") from None
    click.echo(
        f"{phone} is called within seconds, if the service runs; `ivr technician tests` shows the result"
    )


@technician.command()
@json_option
@click.pass_obj
def tests(context: Context, as_json: bool) -> None:
    """The last test call to each phone."""
    with context.reading() as connection:
        found = phone_tests.latest(connection)
    zone = context.configuration.zone
    if as_json:
        print_json(
            {
                "tests": [
                    {
                        "technician": each.technician,
                        "phone": each.phone,
                        "at": local(each.at, zone),
                        "result": each.result,
                        "status": each.status,
                    }
                    for each in found
                ]
            }
        )
        return
    rows = [
        (each.technician, each.phone, f"{each.at.astimezone(zone):%Y-%m-%d %H:%M}", SAID[each.result])
        for each in found
    ]
    table(rows, ("technician", "phone", "at", "result"))
