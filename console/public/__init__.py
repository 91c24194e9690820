"""What the public door shows to phones and calendars out in the world: case links and calendar feeds."""

from __future__ import annotations

from flask import Blueprint

from console.house import Clock, House
from console.public.calendar_page import calendar_feeds
from console.public.case_page import case_pages


def public_pages(house: House, clock: Clock) -> tuple[Blueprint, ...]:
    """To be mounted beside the webhooks. The rest of the console never is."""
    return case_pages(house, clock), calendar_feeds(house, clock)
