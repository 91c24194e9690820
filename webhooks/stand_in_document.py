"""The document that Twilio serves while we do not answer: one JavaScript function with its table inside.

`stand_in.js` is the second place that knows verbs, for it must write them where none of our code runs. What
it says and whom it dials comes from the table alone, which is put in here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

# Its path at Twilio; the same stands in stand_in.js.
PATH = "/stand-in"
_PLACE = "/*TABLE*/ null"


def render(table: Mapping[str, Any]) -> str:
    """The document with this table, which `ivr/standby/stand_in.py` makes. Same table, same text."""
    # In this form JSON is JavaScript, whatever stands in its texts.
    data = json.dumps(table, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return _template().replace(_PLACE, data, 1)


@cache
def _template() -> str:
    text = (resources.files("webhooks") / "stand_in.js").read_text(encoding="utf-8")
    assert _PLACE in text
    return text
