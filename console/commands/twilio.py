"""`ivr twilio`: what stands at Twilio"""

from __future__ import annotations

import click

from console.commands.twilio_fallback import fallback
from console.commands.twilio_provision import provision


@click.group()
def twilio() -> None:
    """What stands at Twilio: where its numbers send calls, and what it serves when we do not."""


twilio.add_command(provision)
twilio.add_command(fallback)
