"""The rota: who is on duty, seen and planned."""

from __future__ import annotations

# Each writes its pages into the area.
from console.web.pages.rota import absences, calendar, feeds, overrides, rules, swaps  # noqa: F401
from console.web.pages.rota.common import area

__all__ = ["area"]
