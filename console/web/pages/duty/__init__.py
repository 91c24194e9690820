"""A technician's own: his turn, his cases, what he gives and takes of duty, his telephone. Nobody else's."""

from __future__ import annotations

from console.web.pages.duty import absences, cases, now, phone, swaps, turns
from console.web.pages.duty.common import area

__all__ = ["absences", "area", "cases", "now", "phone", "swaps", "turns"]
