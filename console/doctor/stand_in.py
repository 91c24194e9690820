"""Whether the document that Twilio serves when our program is dead is published and covers tonight."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from console.doctor.finding import Finding, green, red, yellow
from console.doctor.look import Look
from console.provisioning.memory import STAND_IN
from storage import notebook

PUBLISH = "Publish it (`ivr twilio fallback --publish`), then set the numbers (`ivr twilio provision`)."
# It must last through tonight; and through a long weekend, should nobody be able to publish.
TONIGHT, WEEKEND = timedelta(hours=24), timedelta(hours=96)


def check(look: Look) -> Iterator[Finding]:
    with look.house.database.read() as connection:
        note = notebook.read(connection, STAND_IN)
    if note is None:
        other = look.configuration.twilio.fallback_url
        make = yellow if other else red
        instead = "another machine of ours would be asked" if other else "no call would be answered"
        yield make(
            "unpublished", f"No stand-in document is published: if this program is dead, {instead}.", PUBLISH
        )
        return
    until = _instant(note.content.get("covers_until"))
    if until is None:
        yield red("unknown", "Until when the published stand-in document is good is not known.", PUBLISH)
        return
    told = (
        "The published stand-in document knows who is on duty until "
        f"{until.astimezone(look.zone):%Y-%m-%d %H:%M}"
    )
    published = _instant(note.content.get("published_at"))
    since = f"; it was published {published.astimezone(look.zone):%Y-%m-%d %H:%M}" if published else ""
    if until < look.at + TONIGHT:
        yield red("stale", f"{told}: it is no good for tonight{since}.", PUBLISH)
    elif until < look.at + WEEKEND:
        yield yellow("ends-soon", f"{told}{since}.", PUBLISH)
    else:
        yield green("stand-in", f"{told}.")


def _instant(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
