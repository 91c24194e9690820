"""`ivr twilio`"""

from __future__ import annotations

import click


@click.group()
def twilio() -> None:
    """What stands at Twilio: where its numbers send calls."""
