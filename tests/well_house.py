"""A house in which nothing would go wrong tonight, for `ivr doctor`: everything about it is real but Twilio.

Its webhook door serves HTTPS on this machine, with a certificate of an authority that `tools` believe; the
mail server and Twilio's stand-in are there too. A test then breaks one thing.
"""

from __future__ import annotations

import random
import secrets
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import trustme
from cryptography.fernet import Fernet
from mail_server import mail_server
from making import ACCOUNT, ACTOR, EXAMPLE, fresh_database, staff, with_lines
from twilio_rest.account import Account, routes
from twilio_rest.server import Asked, Route, StandIn, serving
from werkzeug.serving import WSGIRequestHandler, make_server

from console.backups.daily import Daily
from console.doctor.examination import Examination, examine
from console.doctor.finding import Finding
from console.doctor.look import Tools
from console.house import House, pin_index
from console.outside import follow
from console.processes.doors import webhook_app
from console.processes.standing_by import Keeper, spares
from console.provisioning.memory import ADDRESS, STAND_IN
from console.provisioning.plan import deviations
from console.settings import load
from pins import customers, keyring, registry
from storage import notebook
from webhooks.rest.account import RestAccount

AUTHORITY, STRANGER = trustme.CA(), trustme.CA()
OURS = ("+390461825060", "+390461402406", "+390465324963")
PUBLISHED = "https://stand-in-1234.twil.io/voice"
DAY = timedelta(days=1)


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        pass


@dataclass
class Door:
    """What stands at the public address. `app` may be put before the real one."""

    port: int
    app: Any = None
    asked: int = 0

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        self.asked += 1
        answer: Iterable[bytes] = self.app(environ, start_response)
        return answer


@contextmanager
def https(authority: trustme.CA, ends: datetime) -> Iterator[Door]:
    """Serves `door.app` over HTTPS as localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", not_after=ends.replace(tzinfo=None)).configure_cert(context)
    door = Door(0)
    server = make_server("127.0.0.1", 0, door, threaded=True, ssl_context=context, request_handler=_Quiet)
    door.port = server.server_port
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True)
    thread.start()
    try:
        yield door
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Well:
    """The house and all that stands around it. `secrets` are what may never be printed."""

    house: House
    at: datetime
    folder: Path
    tools: Tools
    account: Account
    twilio: StandIn
    door: Door
    mail: Any
    secrets: list[str] = field(default_factory=list)
    approved: bool = True

    def examined(self, *, offline: bool = False, **more: Any) -> Examination:
        return examine(self.house, self.at, tools=self.tools, offline=offline, **more)

    def configured(self, section: str, **values: Any) -> None:
        """The same house, with other settings in force."""
        whole = self.house.configuration
        changed = getattr(whole, section).model_copy(update=values)
        configuration = whole.model_copy(update={section: changed})
        if section == "ringing":
            configuration.__dict__["ringing"] = changed.beside(configuration.our_numbers)
        self.house = replace(self.house, configuration=configuration)

    def note(self, name: str, content: dict[str, Any]) -> None:
        with self.house.database.write() as connection:
            notebook.write(connection, self.at, name, content)


def found(made: Examination, subject: str, level: str) -> list[Finding]:
    return [each for each in made.findings if each.subject == subject and each.level == level]


@contextmanager
def well_house(
    folder: Path, *, authority: trustme.CA = AUTHORITY, certificate_days: float = 300
) -> Iterator[Well]:
    """Everything as it should be, now."""
    at = datetime.now(UTC)
    trust = ssl.create_default_context()
    AUTHORITY.configure_trust(trust)
    (folder / "mail").mkdir()
    kept = {
        "keys": Fernet.generate_key().decode(),
        "signing_key": secrets.token_hex(32),
        "peppers": secrets.token_hex(32),
        "salt": secrets.token_hex(16),
        "sealing_keys": secrets.token_hex(32),
        "auth_tokens": secrets.token_hex(16),
    }
    account = Account(ACCOUNT, kept["auth_tokens"])
    for number in OURS:
        account.add(number, text=False)
    profiles = _Profiles()
    with (
        https(authority, at + timedelta(days=certificate_days)) as door,
        serving(ACCOUNT, account.token, [*routes(account), profiles.route()]) as twilio,
        mail_server(folder / "mail", login=True) as post,
        fresh_database(folder) as database,
    ):
        public = f"https://localhost:{door.port}"
        _write(folder, kept, public, twilio.base)
        configuration = load(folder / "config.toml", {})
        mail = post.settings.model_copy(update={"ca_file": str(post.ca_file)})
        house = House(
            configuration.model_copy(
                update={
                    "mail": mail,
                    "notices": configuration.notices.model_copy(update={"admins": ["admin@example.net"]}),
                }
            ),
            database,
        )
        well = Well(house, at, folder, Tools(trust=trust), account, twilio, door, post, [*kept.values()])
        profiles.well = well
        _lived_in(well)
        door.app = _made_when_asked(well.house)
        yield well


def _made_when_asked(house: House) -> Any:
    """The real door. Most faults are none of it."""
    made: list[Any] = []

    def app(environ: Any, start_response: Any) -> Any:
        if not made:
            made.append(webhook_app(house))
        return made[0](environ, start_response)

    return app


class _Profiles:
    """The part of Twilio that knows business profiles."""

    well: Well

    def route(self) -> Route:
        return Route("GET", "/v1/CustomerProfiles", "twilio_trusthub_v1", self.answer)

    def answer(self, asked: Asked) -> dict[str, Any]:
        assert asked.query["Status"] == "twilio-approved"
        here = str(asked.request.base_url)
        profile = {
            "sid": "BU" + "1" * 32,
            "account_sid": ACCOUNT,
            "policy_sid": "RN" + "2" * 32,
            "friendly_name": "Cloudfabric",
            "status": "twilio-approved",
            "email": "admin@example.net",
            "status_callback": None,
            "valid_until": None,
            "date_created": "2026-01-01T00:00:00Z",
            "date_updated": "2026-01-01T00:00:00Z",
            "url": f"{here}/BU{'1' * 32}",
            "links": {},
            "errors": None,
        }
        return {
            "results": [profile] if self.well.approved else [],
            "meta": {
                "key": "results",
                "page": 0,
                "page_size": 1,
                "first_page_url": here,
                "previous_page_url": None,
                "next_page_url": None,
                "url": here,
            },
        }


def _write(folder: Path, kept: dict[str, str], public: str, api_base: str) -> None:
    text = with_lines(
        EXAMPLE.read_text(encoding="utf-8"),
        public_url=f'"{public}"',
        account_sid=f'"{ACCOUNT}"',
        keys=f'["{kept["keys"]}"]',
        signing_key=f'"{kept["signing_key"]}"',
        peppers=f'["{kept["peppers"]}"]',
        salt=f'"{kept["salt"]}"',
        sealing_keys=f'["{kept["sealing_keys"]}"]',
        auth_tokens=f'["{kept["auth_tokens"]}"]',
        folder='"backups"',
        rings="25",
    )
    text = text.replace("[twilio]\n", f'[twilio]\napi_base = "{api_base}"\n', 1)
    (folder / "config.toml").write_text(text, encoding="utf-8")
    for name in ("config.toml", "ivr.db"):
        (folder / name).chmod(0o600)


def _lived_in(well: Well) -> None:
    """People, a customer with a PIN, a snapshot, a backup, the stand-in document, numbers that lead to us."""
    house, at = well.house, well.at
    index = pin_index(house.configuration)
    new = registry.draw(index, 8, random.SystemRandom())
    well.secrets.append(new.pin)
    with house.database.write() as connection:
        staff(connection, at)
        keyring.remember(connection, at, house.configuration.pins)
        customers.add_customer(connection, ACTOR, at, "Acme", code="ACME")
        registry.issue(connection, ACTOR, at, "ACME", new)
    well.note(STAND_IN, {ADDRESS: PUBLISHED, "covers_until": (at + 30 * DAY).isoformat()})
    Daily(house).write(at)
    follow(house, at)
    assert Keeper(house, house.database, spares(house.configuration)).keep(at)
    hosted = RestAccount(house.configuration.twilio).numbers()
    for change in deviations(house.configuration, hosted, PUBLISHED):
        well.account.number(change.number)[change.attribute] = change.after
    well.twilio.asked.clear()
