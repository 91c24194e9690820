"""How many segments a text message costs, and how to say the same in fewer. Pure.

A text that stands wholly in GSM-7 (3GPP TS 23.038, the default alphabet and its extension table) has 160
septets in one segment and 153 in each of several; any other character makes the whole text UCS-2, with 70
and 67 code units of UTF-16. A character of two units is never cut in two.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# Each is an escape and a character: two septets.
EXTENDED = frozenset("\f^{}\\[~]|€")
ONE, EACH = 160, 153
ONE_WIDE, EACH_WIDE = 70, 67
# The longest that Twilio takes.
LONGEST = 1600

# What typewriters and editors put in by themselves, and what it stands for.
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′`´", "'"),
        **dict.fromkeys("“”„‟″«»", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        **dict.fromkeys(
            "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u3000", " "
        ),
        **dict.fromkeys("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff", ""),
        "…": "...",
        "•": "-",
    }
)
# Letters that do not come apart into a base and an accent.
_BASES = str.maketrans(
    {"ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i", "ŀ": "l", "œ": "oe", "Œ": "OE", "ẞ": "SS", "þ": "th"}
)


def segments(text: str) -> int:
    """How many segments `text` takes; 0 for none."""
    if is_gsm7(text):
        return _packed([2 if c in EXTENDED else 1 for c in text], ONE, EACH)
    return _packed([2 if ord(c) > 0xFFFF else 1 for c in text], ONE_WIDE, EACH_WIDE)


def is_gsm7(text: str) -> bool:
    return all(c in BASIC or c in EXTENDED for c in text)


def plain(text: str) -> str:
    """`text` with typographic quotes, dashes and spaces as a typewriter has them; and letters that GSM-7
    lacks without their accents, if that saves a segment.
    """
    text = unicodedata.normalize("NFC", text).translate(_PLAIN)
    if is_gsm7(text):
        return text
    bare = "".join(c if c in BASIC or c in EXTENDED else _bare(c) for c in text)
    return bare if segments(bare) < segments(text) else text


def fitted(write: Callable[[int], str], lengths: Iterable[int]) -> str:
    """The best of `write(longest)`, which writes a text whose names have at most `longest` characters.

    Of those with the fewest segments the one that shortens least; `lengths` come longest first.
    """
    best: str | None = None
    for longest in lengths:
        text = plain(write(longest))
        if best is None or segments(text) < segments(best):
            best = text
        if segments(best) <= 1:
            break
    assert best is not None
    return cut(best)


def shortened(name: str, longest: int) -> str:
    """A name of at most `longest` characters, cut between words where one ends late enough."""
    name = " ".join(name.split())
    if len(name) <= longest:
        return name
    words = name[: longest + 1].rpartition(" ")[0].rstrip(" ,;:&-/(")
    if len(words) * 2 >= longest:
        return words
    return name[: longest - 1].rstrip(" ,;:&-/(") + "."


def cut(text: str, longest: int = LONGEST) -> str:
    """No more than the network takes."""
    return text if len(text) <= longest else text[: longest - 3] + "..."


def _packed(sizes: list[int], alone: int, each: int) -> int:
    if sum(sizes) <= alone:
        return 1 if sizes else 0
    count, room = 1, each
    for size in sizes:
        if size > room:
            count, room = count + 1, each
        room -= size
    return count


def _bare(character: str) -> str:
    apart = unicodedata.normalize("NFKD", character.translate(_BASES))
    kept = "".join(c for c in apart if not unicodedata.combining(c))
    return kept if kept and is_gsm7(kept) else character
