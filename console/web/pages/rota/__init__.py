"""The rota: who is on duty, seen and planned."""

from __future__ import annotations

# Each writes its pages into the area.
from console.web.pages.rota import (  # noqa: F401
    absences,
    calendar,
    feeds,
    overrides,
    proposals,
    rules,
    swaps,
)
from console.web.pages.rota.common import area

__all__ = ["area"]
