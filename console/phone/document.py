"""Reads one TwiML document and checks it against the table of verbs, more strictly than Twilio does.

Twilio ignores an unknown attribute with a warning nobody reads; here it is an error.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from console.phone.verbs import (
    ITALIAN_POLLY_VOICES,
    RULES,
    SSML,
    WHISPER_VERBS,
    longest_text,
)

LARGEST_DOCUMENT = 64 * 1024  # Twilio: 64 kB, error 11750
MOST_NUMBERS = 10  # Twilio: up to ten <Number> nouns within a <Dial>
TWIML_TYPES = ("text/xml", "application/xml", "text/html")

# Twilio's error codes
TOO_LARGE = 11750
PARSE_FAILURE = 12100
SCHEMA = 12200
CONTENT_TYPE = 12300
TEXT_TOO_LONG = 13521


class NotTwiml(Exception):
    """The answer is not a document that Twilio is documented to follow. `code` is Twilio's error code."""

    def __init__(self, message: str, code: int = SCHEMA) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Verb:
    """One element, checked. `text` has its white space folded; SSML is flattened into it."""

    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    children: tuple["Verb", ...] = ()

    def get(self, attribute: str, default: str = "") -> str:
        return self.attributes.get(attribute, default)

    def says_yes(self, attribute: str) -> bool:
        """Whether a true/false attribute is true; absent counts as false."""
        return self.get(attribute) == "true"


@dataclass(frozen=True, slots=True)
class Document:
    """A TwiML document: the verbs of its Response, in order."""

    verbs: tuple[Verb, ...]


@dataclass(slots=True)
class _Element:
    name: str
    attributes: dict[str, str]
    line: int
    content: "list[str | _Element]" = field(default_factory=list)

    @property
    def elements(self) -> "list[_Element]":
        return [part for part in self.content if isinstance(part, _Element)]

    def text(self) -> str:
        return "".join(part if isinstance(part, str) else part.text() for part in self.content)

    def own_text(self) -> str:
        return "".join(part for part in self.content if isinstance(part, str)).strip()


def read_twiml(body: bytes, content_type: str, *, whisper: bool = False) -> Document:
    """Parses and checks `body`. `whisper`: it is to run on a called party's side, before the bridge.

    Raises NotTwiml, which names the element and its line.
    """
    response = _checked(_response(body, content_type))
    if whisper:
        for verb in response.children:
            if verb.name not in WHISPER_VERBS:
                raise NotTwiml(f"<{verb.name}> is not allowed in a document of <Number url>")
    return Document(response.children)


def read_messages(body: bytes, content_type: str) -> list[str]:
    """The texts of an answer to a text message: `<Message>` alone, with its text or a `<Body>` in it.

    Raises NotTwiml, which names the element and its line.
    """
    root = _response(body, content_type)
    if root.own_text():
        raise NotTwiml(f"line {root.line}: <Response> holds text, expected <Message>")
    texts: list[str] = []
    for element in root.elements:
        inner = element.elements
        if element.name != "Message" or any(each.name != "Body" or each.elements for each in inner):
            raise NotTwiml(f"line {element.line}: <{element.name}> is no plain <Message>")
        if element.attributes:
            # to, from, action, statusCallback: nobody here has a use for them.
            raise NotTwiml(f"line {element.line}: <Message> has attributes, expected none")
        if len(inner) > 1 or (inner and element.own_text()) or not element.text().strip():
            raise NotTwiml(f"line {element.line}: <Message> holds no single text")
        texts.append(element.text().strip())
    return texts


def _response(body: bytes, content_type: str) -> _Element:
    """The document's root, which is a <Response>."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in TWIML_TYPES:
        aloud = " (Twilio reads it aloud)" if kind == "text/plain" else ""
        raise NotTwiml(f"content type is {kind or 'missing'}{aloud}, expected text/xml", CONTENT_TYPE)
    if len(body) > LARGEST_DOCUMENT:
        raise NotTwiml(f"the document has {len(body)} bytes, allowed are {LARGEST_DOCUMENT}", TOO_LARGE)
    root = _parse(body)
    if root.name != "Response":
        raise NotTwiml(f"line {root.line}: the document is a <{root.name}>, expected <Response>")
    return root


def _parse(body: bytes) -> _Element:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        raise NotTwiml("the document is not UTF-8", PARSE_FAILURE) from None
    root: list[_Element] = []
    open_elements: list[_Element] = []
    parser = expat.ParserCreate("utf-8")

    def start(name: str, attributes: dict[str, str]) -> None:
        element = _Element(name, attributes, parser.CurrentLineNumber)
        (open_elements[-1].content if open_elements else root).append(element)
        open_elements.append(element)

    def doctype(*_: object) -> None:
        raise NotTwiml("a document type declaration is not allowed", PARSE_FAILURE)

    def instruction(target: str, _: str) -> None:
        raise NotTwiml(f"a processing instruction is not allowed: {target}", PARSE_FAILURE)

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda name: open_elements.pop()
    parser.CharacterDataHandler = lambda text: open_elements[-1].content.append(text)
    parser.StartDoctypeDeclHandler = doctype
    parser.ProcessingInstructionHandler = instruction
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise NotTwiml(f"not well-formed XML: {error}", PARSE_FAILURE) from None
    return root[0]


def _checked(element: _Element) -> Verb:
    rule = RULES.get(element.name)
    where = f"line {element.line}: <{element.name}>"
    if rule is None:
        raise NotTwiml(f"{where} is not a known verb")
    for name, value in element.attributes.items():
        values = rule.attributes.get(name)
        if values is None:
            raise NotTwiml(f"{where} has no attribute {name}")
        if not values.accepts(value):
            raise NotTwiml(f"{where} {name}={_shown(value)}: expected {values.expected}")
    for child in element.elements:
        if child.name in RULES and child.name not in rule.children:
            raise NotTwiml(f"line {child.line}: <{child.name}> is not allowed in <{element.name}>")
    children = tuple(_checked(child) for child in element.elements)
    if element.own_text() and rule.text is None:
        raise NotTwiml(f"{where} holds text, expected none")
    verb = Verb(
        element.name,
        dict(element.attributes),
        " ".join(element.text().split()) if rule.text else "",
        () if element.name == "Say" or element.name in SSML else children,
    )
    _CHECKS.get(element.name, _check_text)(verb, where)
    return verb


def _check_text(verb: Verb, where: str) -> None:
    values = RULES[verb.name].text
    if values is not None and not values.accepts(verb.text):
        raise NotTwiml(f"{where} {_shown(verb.text)}: expected {values.expected}")


def _check_say(verb: Verb, where: str) -> None:
    voice, language = verb.get("voice", "man"), verb.get("language")
    limit = longest_text(voice)
    if len(verb.text) > limit:
        raise NotTwiml(
            f"{where} holds {len(verb.text)} characters, {voice} speaks at most {limit}", TEXT_TOO_LONG
        )
    if not verb.text:
        raise NotTwiml(f"{where} says nothing")
    if voice.startswith("Google.") and language and not voice.startswith(f"Google.{language}-"):
        raise NotTwiml(f"{where} voice={voice} does not speak {language}")
    italian = language == "it-IT"
    if italian and voice.startswith("Polly.") and voice not in ITALIAN_POLLY_VOICES:
        raise NotTwiml(f"{where} voice={voice} does not speak it-IT")


def _check_play(verb: Verb, where: str) -> None:
    if "digits" in verb.attributes and not verb.text:
        return
    _check_text(verb, where)


def _check_dial(verb: Verb, where: str) -> None:
    if not verb.children:
        _check_text(verb, where)  # <Dial>+39…</Dial>: a bare number
    if len(verb.children) > MOST_NUMBERS:
        raise NotTwiml(f"{where} holds {len(verb.children)} parties, allowed are {MOST_NUMBERS}")


_CHECKS = {"Say": _check_say, "Play": _check_play, "Dial": _check_dial}


def _shown(value: str) -> str:
    short = value if len(value) <= 60 else value[:59] + "…"
    return f'"{short}"'
