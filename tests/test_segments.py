"""Segments are counted as the networks count them, and none is spent on an accent or a curly quote."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from oncall.notices import segments
from oncall.notices.segments import BASIC, EXTENDED, LONGEST, cut, fitted, is_gsm7, plain, shortened

# 3GPP TS 23.038, 6.2.1: the default alphabet by its codes 0x00 to 0x7F, as Unicode scalar values, a row
# for each high nibble. 0x1B is the escape.
TABLE = """
0040 00A3 0024 00A5 00E8 00E9 00F9 00EC 00F2 00C7 000A 00D8 00F8 000D 00C5 00E5
0394 005F 03A6 0393 039B 03A9 03A0 03A8 03A3 0398 039E ESC. 00C6 00E6 00DF 00C9
0020 0021 0022 0023 00A4 0025 0026 0027 0028 0029 002A 002B 002C 002D 002E 002F
0030 0031 0032 0033 0034 0035 0036 0037 0038 0039 003A 003B 003C 003D 003E 003F
00A1 0041 0042 0043 0044 0045 0046 0047 0048 0049 004A 004B 004C 004D 004E 004F
0050 0051 0052 0053 0054 0055 0056 0057 0058 0059 005A 00C4 00D6 00D1 00DC 00A7
00BF 0061 0062 0063 0064 0065 0066 0067 0068 0069 006A 006B 006C 006D 006E 006F
0070 0071 0072 0073 0074 0075 0076 0077 0078 0079 007A 00E4 00F6 00F1 00FC 00E0
"""
DEFAULT = TABLE.split()
# 6.2.1.1: code of the extension table → character.
EXTENSION = {
    0x0A: 0x000C, 0x14: 0x005E, 0x28: 0x007B, 0x29: 0x007D, 0x2F: 0x005C,
    0x3C: 0x005B, 0x3D: 0x007E, 0x3E: 0x005D, 0x40: 0x007C, 0x65: 0x20AC,
}  # fmt: skip
CODES = {chr(int(point, 16)): bytes([code]) for code, point in enumerate(DEFAULT) if point != "ESC."}
CODES |= {chr(point): bytes([0x1B, code]) for code, point in EXTENSION.items()}


def encoded(text: str) -> list[bytes]:
    """The text as the network carries it, in its parts: septets, or UTF-16."""
    if all(c in CODES for c in text):
        units, alone, each = [CODES[c] for c in text], 160, 153
    else:
        units, alone, each = [c.encode("utf-16-be") for c in text], 140, 134
    if len(b"".join(units)) <= alone:
        return [b"".join(units)] if units else []
    parts = [b""]
    for unit in units:
        if len(parts[-1] + unit) > each:
            parts.append(b"")
        parts[-1] += unit
    return parts


def test_the_table_is_whole() -> None:
    assert len(DEFAULT) == 128
    assert len(BASIC) == 127
    assert {c for c in CODES if len(CODES[c]) == 1} == BASIC
    assert {c for c in CODES if len(CODES[c]) == 2} == EXTENDED
    assert not BASIC & EXTENDED


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("a", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        # 153 is odd: a euro would be cut in two, so 76 go into a part.
        ("€" * 152, 2),
        ("€" * 153, 3),
        ("a" * 152 + "€" + "a" * 152, 3),
        ("àèéìòùäöüß" * 16, 1),
        ("ê" * 70, 1),
        ("ê" * 71, 2),
        ("ê" * 134, 2),
        ("ê" * 135, 3),
        ("\U0001f525" * 35, 1),
        ("\U0001f525" * 36, 2),
        ("\U0001f525" * 66, 2),
        ("\U0001f525" * 67, 3),
        ("a" * 69 + "È", 1),
        ("a" * 70 + "È", 2),
    ],
)
def test_what_a_text_costs(text: str, count: int) -> None:
    assert segments.segments(text) == count
    assert len(encoded(text)) == count


LETTERS = st.characters(codec="utf-16", exclude_categories=["Cs"])
TEXTS = st.text(st.sampled_from(sorted(BASIC | EXTENDED)), max_size=700) | st.text(LETTERS, max_size=250)


@settings(deadline=None)
@given(TEXTS)
@example("€" * 76 + "a" * 2 + "€" * 75)
def test_segments_are_those_of_an_independent_table(text: str) -> None:
    assert segments.segments(text) == len(encoded(text))
    assert is_gsm7(text) == all(c in CODES for c in text)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("l’urgenza “P1” – subito…", 'l\'urgenza "P1" - subito...'),
        ("1\u00a0000\u202f€", "1 000 €"),
        ("Größe: è à ù", "Größe: è à ù"),
        ("e\u0300", "è"),
        # Alone it costs nothing, so the name stays what it is.
        ("Citroën", "Citroën"),
        ("Citroën " + "a" * 70, "Citroen " + "a" * 70),
        ("È " + "a" * 70, "E " + "a" * 70),
        ("Łódź Œuvre đ ı Straẞe" + "a" * 60, "Lodz OEuvre d i StraSSe" + "a" * 60),
        # No base letter: nothing is gained by taking the others' accents away.
        ("ê Привет " + "a" * 70, "ê Привет " + "a" * 70),
    ],
)
def test_plain(text: str, result: str) -> None:
    assert plain(text) == result


@settings(deadline=None)
@given(TEXTS)
def test_plain_never_costs_more(text: str) -> None:
    # Three full stops may take more room than an ellipsis, in an alphabet that has neither.
    text = text.replace("…", "")
    assert segments.segments(plain(text)) <= segments.segments(text)


@pytest.mark.parametrize(
    ("name", "longest", "result"),
    [
        ("Acme", 12, "Acme"),
        ("Officine Meccaniche Rossi & Figli", 24, "Officine Meccaniche"),
        ("Officine Meccaniche Rossi & Figli", 12, "Officine"),
        ("Officine Meccaniche Rossi & Figli", 28, "Officine Meccaniche Rossi"),
        ("Donaudampfschifffahrt", 12, "Donaudampfs."),
        ("  A   B  ", 12, "A B"),
    ],
)
def test_names_are_cut_between_words(name: str, longest: int, result: str) -> None:
    assert shortened(name, longest) == result


@settings(deadline=None)
@given(st.text(min_size=1, max_size=60), st.integers(min_value=4, max_value=40))
def test_a_shortened_name_fits(name: str, longest: int) -> None:
    assert len(shortened(name, longest)) <= longest


def test_names_give_way_before_a_segment_is_added() -> None:
    name = "Officine Meccaniche Rossi & Figli di Mario Rossi Societa a Responsabilita Limitata"
    lengths = (200, 40, 24, 12)

    assert len(fitted(lambda longest: shortened(name, longest) + "x" * 60, lengths)) == len(name) + 60
    assert fitted(lambda longest: shortened(name, longest) + "x" * 130, lengths).startswith("Officine")
    # Two segments it will be whatever is cut: then nothing is.
    assert fitted(lambda longest: shortened(name, longest) + "x" * 170, lengths).startswith(name)


def test_nothing_is_longer_than_the_network_takes() -> None:
    assert len(cut("a" * 5000)) == LONGEST
    assert len(fitted(lambda longest: "a" * 5000, (10,))) == LONGEST
