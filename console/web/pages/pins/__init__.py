"""PINs: the list, one of them, issued, rotated and revoked, many at once with their letters."""

from __future__ import annotations

from console.web.letter_runs import write_letters
from console.web.pages.pins import issue, lists, many, runs
from console.web.pages.pins.common import area

__all__ = ["JOBS", "area", "issue", "lists", "many", "runs"]

JOBS = {"letters": write_letters}
