"""Findings as a JSON document, and in words for terminals."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from console.doctor.examination import CHECKS, Examination
from console.doctor.finding import LEVELS, Finding

SIGNS = {"red": "RED", "yellow": "yellow", "green": "ok"}
_SUBJECTS = [check.subject for check in CHECKS]


def document(made: Examination) -> dict[str, Any]:
    """The worst first. `key` is good for comparing two days; `subject` is who found it."""
    return {
        "ok": made.ok,
        "findings": [as_json(each) for each in made.findings],
        "not_looked_at": made.unseen,
    }


def as_json(each: Finding) -> dict[str, str]:
    return {
        "key": each.key,
        "level": each.level,
        "subject": each.subject,
        "what": each.what,
        "remedy": each.remedy,
    }


def lines(made: Examination) -> Iterator[str]:
    """By subject, the subject with the gravest finding first; what to do below each finding."""
    subjects = sorted(
        {each.subject for each in made.findings}, key=lambda subject: (_worst(made, subject), _place(subject))
    )
    for subject in subjects:
        yield subject
        for each in (each for each in made.findings if each.subject == subject):
            yield f"  {SIGNS[each.level]:<7} {each.what}"
            if each.remedy:
                yield f"          → {each.remedy}"
    if made.unseen:
        yield f"not looked at: {', '.join(made.unseen)}"
    yield summary(made.findings)


def summary(found: list[Finding]) -> str:
    levels = sorted((each.level for each in found), key=LEVELS.index)
    many = {level: len(list(same)) for level, same in groupby(levels)}
    red, yellow = many.get("red", 0), many.get("yellow", 0)
    if not red and not yellow:
        return "All is well for tonight."
    tonight = "would make tonight go wrong" if red else "nothing would make tonight go wrong"
    return f"{red} red, {yellow} yellow: {tonight}."


def _worst(made: Examination, subject: str) -> int:
    return min(LEVELS.index(each.level) for each in made.findings if each.subject == subject)


def _place(subject: str) -> int:
    return _SUBJECTS.index(subject) if subject in _SUBJECTS else len(_SUBJECTS)
