"""The rota: who is on duty, seen and planned."""

from __future__ import annotations

from importlib import import_module

from console.web.pages.rota.common import area

__all__ = ["area"]

# Each writes its pages into the area.
for _name in ("absences", "calendar", "feeds", "overrides", "rules", "swaps"):
    import_module(f"{__name__}.{_name}")
