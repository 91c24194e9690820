"""Holds one TwiML document against the table of Twilio's documentation, and against rules of our own.

A function of the document and of what is known about who gets it; it looks at nothing of the program.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Collection, Iterator
from typing import Literal
from urllib.parse import quote, urlsplit
from xml.etree.ElementTree import Element as Node

from conformance.twiml_table import (
    IN_A_WHISPER,
    LARGEST,
    LONGEST_ENCODED,
    MESSAGE_TABLE,
    MOST_NOUNS,
    OVERRIDES,
    TABLE,
    TYPES,
    UNREACHABLE_AFTER,
    Element,
    longest_say,
)

# Who gets it: somebody who called us; a technician before he is connected; somebody whom we called; the
# author of a text message. "leg" is one of the middle two, where it is not known which.
Role = Literal["caller", "whisper", "placed", "leg", "text"]


def role_of(path: str) -> Role | None:
    """Who gets what is answered at this path of the public door; None if that is no document."""
    if re.fullmatch(r"/voice/technician/[0-9]+", path):
        return "whisper"
    if re.fullmatch(r"/voice/out/[0-9]+", path):
        return "placed"
    if re.fullmatch(r"/voice(?:/turn/[0-9]+|/fallback)?", path):
        return "caller"
    return "text" if path == "/sms" else None


def findings(
    body: bytes,
    role: Role,
    *,
    kind: str = "text/xml; charset=utf-8",
    accepted: bool | None = None,
    numbers: Collection[str] = (),
) -> list[str]:
    """What is wrong with a document, each in a line; an empty list is a clean one.

    `kind` is its content type. `accepted`: whether this technician has pressed his key (None: not known).
    `numbers` are ours, if they are known.
    """
    if kind.partition(";")[0].strip().lower() not in TYPES:
        return [f"content type {kind or 'missing'}: it is not followed as TwiML"]
    if len(body) > LARGEST:
        return [f"{len(body)} bytes, at most {LARGEST} (error 11750)"]
    if b"<!" in body:
        return ["a document type, a comment or CDATA: nobody here writes that"]
    try:
        body.decode("utf-8")
        root = ElementTree.fromstring(body)
    except (UnicodeDecodeError, ElementTree.ParseError) as wrong:
        return [f"no XML: {wrong}"]
    table = MESSAGE_TABLE if role == "text" else TABLE
    if root.tag != "Response":
        return [f"the document is a <{root.tag}>"]
    found = list(_by_table(root, table))
    if role == "text" or found:
        return found  # the rules below take a document of the table for granted
    return [*_documented(root, role), *_ours(root, role, accepted, numbers)]


def _by_table(node: Node, table: dict[str, Element]) -> Iterator[str]:
    rule = table[node.tag]
    for name, value in node.attrib.items():
        if name not in rule.attributes:
            yield f"<{node.tag}> has no attribute {name} ({rule.page})"
        elif not rule.attributes[name](value):
            yield f"<{node.tag}> {name}={value[:60]!r} is no value of it ({rule.page})"
    text = (node.text or "") + "".join(child.tail or "" for child in node)
    if rule.text is None:
        if text.strip():
            yield f"<{node.tag}> holds text ({rule.page})"
    elif not rule.text(text.strip()):
        yield f"<{node.tag}> holds {text.strip()[:60]!r} ({rule.page})"
    for child in node:
        if child.tag not in rule.inside:
            yield f"<{child.tag}> in <{node.tag}> ({rule.page})"
        else:
            yield from _by_table(child, table)


def _documented(root: Node, role: Role) -> Iterator[str]:
    """What the pages say of verbs together, and of their texts."""
    verbs = list(root)
    for place, verb in enumerate(verbs):
        after = verbs[place + 1 :]
        if verb.tag == "Reject" and place:
            yield "<Reject> after another verb: only the first leaves a call unanswered"
        if verb.tag == "Reject" and role != "caller":
            yield "<Reject> in a call that did not come in"
        if verb.tag == "Dial":
            if len(verb) > MOST_NOUNS:
                yield f"<Dial> of {len(verb)} parties, at most {MOST_NOUNS}"
            if not len(verb) and not (verb.text or "").strip():
                yield "<Dial> of nobody"
            if after and verb.get("action"):
                yield f"<{after[0].tag}> after a <Dial> with an action is never reached"
        if verb.tag in UNREACHABLE_AFTER and after and not _stands_in(verb, after):
            yield f"<{after[0].tag}> after <{verb.tag}> is never reached"
        if verb.tag in ("Gather", "Record") and not verb.get("action"):
            yield f"<{verb.tag}> without an action asks for its own document again, for ever"
        if role == "whisper" and verb.tag not in IN_A_WHISPER:
            yield f"<{verb.tag}> before the two are connected: only {', '.join(sorted(IN_A_WHISPER))} work"
    for say in root.iter("Say"):
        text, voice = say.text or "", say.get("voice", "man")
        if not text.strip():
            yield "<Say> of nothing"
        if len(text.encode()) > longest_say(voice):
            yield f"<Say> of {len(text.encode())} bytes, {voice} speaks {longest_say(voice)} (13521)"
        if len(quote(text)) > LONGEST_ENCODED:
            yield f"<Say> of {len(quote(text))} characters in an address, at most {LONGEST_ENCODED} (13521)"
        if voice.startswith("Google.") and not voice.startswith(f"Google.{say.get('language')}-"):
            yield f"<Say> voice={voice} does not speak {say.get('language')}"


def _stands_in(verb: Node, after: list[Node]) -> bool:
    """Whether what follows a Record does what its action would. Its page contradicts itself: verbs after it
    are unreachable, and an example speaks there when nothing was recorded. So it is safe both ways.
    """
    return (
        verb.tag == "Record"
        and [each.tag for each in after] == ["Redirect"]
        and after[0].text == verb.get("action")
    )


def _ours(root: Node, role: Role, accepted: bool | None, numbers: Collection[str]) -> Iterator[str]:
    """What Twilio lets pass and we do not: its effect would be unsafe."""
    verbs = list(root)
    leg = role in ("whisper", "leg")
    if not verbs:
        yield "a document of nothing: the call ends, or two are connected"
        return
    for node in root.iter():
        asks = node.get("url") if node.tag in ("Number", "Sip") else "method" in TABLE[node.tag].attributes
        if asks and node.get("method") != "POST":
            yield f"<{node.tag}> is not POST: what was keyed would stand in an address"
        for name, value in [*node.attrib.items(), *_text_address(node)]:
            where = urlsplit(value)
            if _is_address(name) and (where.scheme != "https" or not where.netloc):
                yield f"<{node.tag}> {name} is no whole https address"
            if _is_address(name) and where.fragment and not OVERRIDES(where.fragment):
                yield f"<{node.tag}> {name} has #{where.fragment}, which overrides nothing"
    for say in root.iter("Say"):
        if not say.get("voice") or not say.get("language"):
            yield "<Say> without voice and language: an English voice would read it"
    for gather in root.iter("Gather"):
        after = verbs[verbs.index(gather) + 1 :]
        if gather.get("actionOnEmptyResult") != "true":
            yield "<Gather> that does not report silence"
        if gather.get("input") != "dtmf":
            yield "<Gather> that listens to more than keys"
        if not gather.get("timeout"):
            yield "<Gather> without a time-out of its own"
        falls_to = [(each.tag, each.text) for each in after]
        if leg and falls_to != [("Hangup", None)]:
            yield "<Gather> that falls through to a connection"
        if not leg and falls_to not in ([("Redirect", gather.get("action"))], [("Hangup", None)]):
            yield "<Gather> that falls through to nowhere"
    for dial in root.iter("Dial"):
        whispers = [noun for noun in dial if noun.get("url")]
        if whispers and not (dial.get("answerOnBridge") == "true" and dial.get("ringTone")):
            yield "<Dial> with a whisper, during which the caller would hear nothing"
        if whispers and (len(dial) > 1 or dial.get("sequential")):
            yield "<Dial> that whispers to several: whom it connects is documented nowhere"
        if not dial.get("action"):
            yield "<Dial> without an action: nobody would learn how it went"
        if not dial.get("timeout"):
            yield "<Dial> without a time-out of its own"
        if not dial.get("callerId"):
            yield "<Dial> that shows the caller's number"
        elif numbers and dial.get("callerId") not in numbers:
            yield f"<Dial> callerId={dial.get('callerId')} is none of our numbers"
        if dial.get("record", "do-not-record") not in ("do-not-record", "false"):
            yield "<Dial> that records a talk"
    for record in root.iter("Record"):
        if record.get("transcribe") == "true" or record.get("transcribeCallback"):
            yield "<Record> that is transcribed: American English only, and elsewhere"
        if not record.get("maxLength"):
            yield "<Record> for an hour"
    yield from _ends(verbs[-1], role, accepted)


def _ends(last: Node, role: Role, accepted: bool | None) -> Iterator[str]:
    goes_on = last.tag in ("Hangup", "Redirect", "Reject") or (
        last.tag in ("Dial", "Record") and last.get("action")
    )
    if goes_on:
        return
    if role == "leg" and last.tag == "Say":
        return  # it may be the answer to his key; at the door it is known
    if role != "whisper":
        yield f"the document merely ends after <{last.tag}>: the call would be cut off"
    elif accepted is False:
        yield f"the document merely ends after <{last.tag}>: the two are connected, and nobody accepted"


def _is_address(name: str) -> bool:
    return name in ("action", "url", "address") or name.endswith(("Url", "Callback"))


def _text_address(node: Node) -> list[tuple[str, str]]:
    if node.tag == "Redirect" or (node.tag == "Play" and not node.get("digits")):
        return [("address", (node.text or "").strip())]
    return []
