"""What letters say of the service, taken from the configuration: pins/ knows neither hours nor numbers."""

from __future__ import annotations

from console.settings import Configuration
from ivr.hours import parse_window
from ivr.settings import DAYS
from oncall.phones import printed
from pins.letters import Level, Service


def service(configuration: Configuration) -> Service:
    """The facts for `pins.letters`. Special days are left out: by then the letter has been read."""
    windows = [parse_window(text) for text in configuration.hours.pin_windows]
    country = configuration.ringing.countries[0] if configuration.ringing.countries else ""
    holidays = [configuration.hours.holidays, *(number.holidays for number in configuration.number)]
    return Service(
        company=configuration.service.name,
        numbers=tuple((each.name, printed(each.number, country)) for each in configuration.number),
        windows=tuple((window.start, window.end) for window in windows),
        closed_days=tuple(sorted(DAYS.index(day) for day in configuration.hours.closed_days)),
        holidays=any(holidays),
        levels=tuple(
            Level(
                level.code,
                level.key or "",
                level.definition or dict.fromkeys(("it", "en", "de"), level.meaning),
                level.within or 0,
            )
            for level in configuration.urgency.offered()
        ),
        write_to=configuration.urgency.write_to,
        keep_numbers=configuration.privacy.caller_numbers,
        keep_calls=configuration.privacy.calls,
        keep_messages=configuration.privacy.messages,
    )
