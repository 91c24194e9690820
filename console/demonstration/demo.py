"""What `ivr demo` shows: fictitious people, and one emergency call at night, rehearsed and printed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta

from console.access import users
from console.demonstration import cast, demo_nights
from console.house import open_house, pin_index
from console.phone import lines
from console.rehearsing.rehearsal import ACTOR, Rehearsal
from console.settings import Configuration
from oncall.rota import roster
from oncall.rota.wallclock import instant_of
from pins import registry

# Name, full name, role, and who he is on the rota.
USERS = (
    ("giulia", "Giulia Moser", "admin", None),
    ("paolo", "Paolo Degasperi", "dispatcher", None),
    ("anna", "Anna Rossi", "technician", "anna"),
    ("elena", "Elena Zanon", "reader", None),
)
CALL = """\
# At ten in the evening the first technician does not answer; the second accepts.
* acme calls trento
< Cloudfabric … PIN
> PIN acme
< Chiama per Acme … blocco totale, prema 1
> 1
< caso … preso in carico entro … codice … chiamiamo
* {first}'s phone rings
* {first} does not answer
< continuiamo a chiamare
* dario's phone rings
* dario answers
dario < Chiamata P1 più da Acme … prema 1
dario > 1
* dario and acme are connected
* they talk for 4 minutes
* the call ends
* outcome connected
"""


def prepare(configuration: Configuration, at: datetime) -> Iterator[str]:
    """Fill the demonstration's database, two nights of calls included; yields what to tell, its one real PIN
    among it.
    """
    house = open_house(configuration)
    try:
        before = at - demo_nights.BEFORE
        cast.enter(house, "demo", before)
        index = pin_index(configuration)
        new = registry.draw(index, 8)
        with house.database.write() as connection:
            registry.issue(connection, "demo", before, "ACME", new, label="demonstration")
        demo_nights.play(house, at, new.pin)
    finally:
        house.close()
    yield "Four customers, four technicians, a rota and four users of the console, all fictitious."
    yield f"The PIN of ACME, shown this once: {new.pin}"
    yield ""


def ways_in(configuration: Configuration, at: datetime) -> Iterator[str]:
    """A link for each demo user, good once: no password, no authenticator."""
    house = open_house(configuration)
    try:
        with house.database.write() as connection:
            for name, full_name, role, technician in USERS:
                made = users.add(
                    connection, "demo", at, name, role, full_name=full_name, technician=technician
                )
                token = users.enter(connection, at, made, timedelta(hours=24))
                yield f"  {full_name} ({role}): http://{configuration.console.listen}/enter/{token}"
    finally:
        house.close()


def rehearse(configuration: Configuration, at: datetime) -> Iterator[str]:
    """Play the call of this evening on a throwaway copy and yield its transcript."""
    zone = configuration.zone
    evening = instant_of(at.astimezone(zone).date(), time(22, 0), zone)
    with Rehearsal(configuration, evening) as rehearsal:
        cast.enter(rehearsal.house, ACTOR, at)
        rehearsal.issue("ACME")
        with rehearsal.house.database.read() as connection:
            first = roster.ladder(connection, configuration.ringing, "duty", evening)[0].technician
        rehearsal.play(CALL.format(first=first), "demonstration")
        yield "An emergency call at night, rehearsed on a copy:"
        yield ""
        yield from lines(rehearsal.exchange.events, rehearsal.cast())
