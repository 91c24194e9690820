"""The cast: the same fictitious customers and technicians in the demonstration, the tests and the papers.

Telephone numbers are of an allowed kind, or nothing would ring; nobody is known to have them.
"""

from __future__ import annotations

from datetime import date, datetime

from console.house import House
from oncall.rota import roster, rota_file
from pins import customers
from pins.customers import Contract

ROTA = """\
[[technician]]
key = "anna"
name = "Anna Rossi"
phone = "+393331234501"

[[technician]]
key = "bruno"
name = "Bruno Bianchi"
phone = "+393331234502"

[[technician]]
key = "carla"
name = "Carla Verdi"
phone = "+393331234503"

[[technician]]
key = "dario"
name = "Dario Neri"
phone = "+393331234504"

[[rota]]
key = "duty"
time_zone = "Europe/Rome"

  [[rota.rung]]
  people = ["anna", "bruno", "carla"]
  starts = 2026-01-05
  handover = "18:30"
  every = "1 week"

  [[rota.rung]]
  people = ["dario"]
"""

# code, name, how it is spoken, contract, known phone
CUSTOMERS = (
    ("ACME", "ACME S.r.l.", "Acme", Contract(), "+393471112201"),
    ("MELE", "Frutticoltori Val di Sole", "Frutticoltori Val di Sole", Contract(), "+393471112202"),
    ("MALGA", "Malga Fosca", "Malga Fosca", Contract(until=date(2025, 12, 31)), "+393471112203"),
    ("BAITA", "Baita Segantini", "Baita Segantini", Contract("prepaid", minutes_left=300), "+393471112204"),
)


def enter(house: House, actor: str, at: datetime) -> None:
    """Write technicians, rota and customers into an empty house. PINs are issued by whoever asks."""
    with house.database.write() as connection:
        roster.apply(connection, actor, at, house.configuration.ringing, rota_file.read(ROTA))
        for code, name, spoken, contract, phone in CUSTOMERS:
            customers.add_customer(
                connection, actor, at, name, code=code, spoken_name=spoken, contract=contract, phones=[phone]
            )
