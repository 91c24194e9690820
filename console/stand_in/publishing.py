"""The document is published at Twilio, once for each change, and what was published is remembered."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from console.house import House
from console.provisioning.failures import told
from console.provisioning.memory import ADDRESS, STAND_IN
from console.stand_in.content import Document, make_document
from oncall.notices.channels import ChannelFailed
from storage import audit, notebook
from webhooks.rest.serverless import Place, RestFunctions
from webhooks.stand_in_document import PATH

# A build takes a few seconds; Twilio suggests to look each second.
LOOKS, BETWEEN_LOOKS = 60, 1.0


class PublishFailed(Exception):
    """Twilio does not serve the new document, and goes on with the one before. The text says why."""


@dataclass(frozen=True)
class Published:
    """What Twilio serves, as far as we know: where, for which account, since when, and how long."""

    address: str
    account: str
    at: datetime
    covers_until: datetime
    digest: str

    def good(self, at: datetime) -> timedelta:
        """How long it still covers."""
        return self.covers_until - at


def published(connection: Connection) -> Published | None:
    """What was published last; None if nothing ever was."""
    note = notebook.read(connection, STAND_IN)
    if note is None or "digest" not in note.content:
        return None
    known = note.content
    return Published(
        known[ADDRESS],
        known["account_sid"],
        datetime.fromisoformat(known["published_at"]),
        datetime.fromisoformat(known["covers_until"]),
        known["digest"],
    )


def wanted(house: House, at: datetime) -> tuple[Document, Published | None]:
    """The document as it should be, and what is published."""
    with house.database.read() as connection:
        return make_document(house.configuration, connection, at), published(connection)


def is_fresh(house: House, document: Document, known: Published | None) -> bool:
    """Whether Twilio serves this very document for this account."""
    ours = house.configuration.twilio.account_sid
    return known is not None and (known.digest, known.account) == (document.digest, ours)


def publish(
    house: House,
    actor: str,
    at: datetime,
    document: Document,
    *,
    functions: RestFunctions | None = None,
    pause: Callable[[float], object] = time.sleep,
) -> Published:
    """Have Twilio serve this document; what it served before goes on until then. Raises PublishFailed.

    May take a minute, and holds no connection meanwhile.
    """
    functions = functions or RestFunctions(house.configuration.twilio)
    try:
        place = functions.place()
        build = functions.build(place, functions.upload(place, PATH, document.text))
        _wait(functions, place, build, pause)
        functions.deploy(place, build)
        if functions.deployed(place) != build:
            raise PublishFailed("Twilio has taken it and serves another one: run it again")
    except ChannelFailed as failed:
        raise PublishFailed(told(failed)) from None
    made = Published(
        f"https://{place.host}{PATH}",
        house.configuration.twilio.account_sid,
        at,
        document.table.until,
        document.digest,
    )
    with house.database.write() as connection:
        _remember(connection, at, made, place, build)
        details = {"address": made.address, "until": made.covers_until.isoformat(), "digest": made.digest}
        audit.record(connection, actor, at, "twilio.stand-in", "stand-in", details=details)
    with suppress(ChannelFailed):  # old ones cost nothing; the next publication tries again
        functions.remove_builds(place, build)
    return made


def _wait(functions: RestFunctions, place: Place, build: str, pause: Callable[[float], object]) -> None:
    for _ in range(LOOKS):
        match functions.build_status(place, build):
            case "completed":
                return
            case "failed":
                raise PublishFailed("Twilio could not build it; its console shows why (Functions, Services)")
        pause(BETWEEN_LOOKS)
    raise PublishFailed("Twilio did not finish building it within a minute")


def _remember(connection: Connection, at: datetime, made: Published, place: Place, build: str) -> None:
    content = {
        ADDRESS: made.address,
        "account_sid": made.account,
        "published_at": made.at.isoformat(),
        "covers_until": made.covers_until.isoformat(),
        "digest": made.digest,
        "service_sid": place.service,
        "environment_sid": place.environment,
        "function_sid": place.function,
        "build_sid": build,
    }
    notebook.write(connection, at, STAND_IN, content)
