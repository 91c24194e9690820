"""Makes requests that nobody would send out of those that a real call has sent.

Two kinds: those that carry no right signature, which may change nothing; and those that Twilio's own token
has signed, whatever stands in them, which are answered.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from fuzzing import nasty
from fuzzing.asking import FORM, HOST, SIGNATURE, Asked, Pairs, encoded, signature, signed

ADDRESSES = (
    *("/voice", "/voice/turn/0", "/voice/turn/1", "/voice/turn/2", "/voice/fallback", "/voice/status"),
    *("/voice/recording", "/voice/technician/0", "/voice/technician/1", "/voice/out/0", "/voice/out/1"),
    *("/voice/out/status", "/sms", "/sms/status"),
)


@dataclass(frozen=True)
class Genuine:
    """A request that the network did send."""

    url: str
    form: Pairs
    headers: dict[str, str]

    def asked(self) -> Asked:
        address = urlsplit(self.url)
        headers = (("Host", HOST), ("Content-Type", FORM), *self.headers.items())
        return Asked("POST", address.path, address.query, headers, encoded(self.form))


@dataclass
class Corpus:
    """What was sent so far, and the secret addresses that are open to whoever has them."""

    token: str
    public_url: str
    sent: list[Genuine] = field(default_factory=list)
    # Of case links and calendars that live.
    secret_paths: list[str] = field(default_factory=list)

    def luggage(self) -> list[str]:
        """Every sealed text that travelled in an address."""
        found = (urlsplit(each.url).query for each in self.sent)
        return [query.removeprefix("l=") for query in found if query.startswith("l=")] or ["x"]


# -- without a right signature ---------------------------------------------------------------------


def stranger(rng: random.Random, corpus: Corpus, genuine: Genuine) -> Asked:
    """A request without a right signature, near to one that has it."""
    asked = genuine.asked()
    made: list[str] = []
    # What is left as it is would be believed: its signature goes first of all.
    wrong = _wrong_signature(rng, corpus, genuine, asked, made)
    asked = _without_it(rng, corpus, asked) if wrong is None else asked.with_headers((SIGNATURE, wrong))
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        name, change = rng.choice(_STRANGE)
        made.append(name)
        asked = change(rng, corpus, asked)
    return replace(asked, what="unsigned: " + ", ".join(made))


def _wrong_signature(
    rng: random.Random, corpus: Corpus, genuine: Genuine, asked: Asked, made: list[str]
) -> str | None:
    right = asked.header(SIGNATURE)
    wrong = {
        "none": None,
        "empty": "",
        "not ASCII": "é" * 9,
        "cut": right[:-2],
        "padded": right + "=",
        "in small letters": right.lower(),
        "of another token": signature("f" * 32, genuine.url, genuine.form),
        "of the empty token": signature("", genuine.url, genuine.form),
        "of another address": signature(corpus.token, corpus.public_url + "/elsewhere", genuine.form),
        "of no form": signature(corpus.token, genuine.url, [("Other", "1")]),
        "changed": nasty.changed(rng, right),
        "long": "A" * 5000,
    }
    name = rng.choice([each for each, value in wrong.items() if value != right])
    made.append(f"signature {name}")
    return wrong[name]


def _without_it(rng: random.Random, corpus: Corpus, asked: Asked) -> Asked:
    return replace(asked, headers=tuple(pair for pair in asked.headers if pair[0] != SIGNATURE))


def _method(rng: random.Random, corpus: Corpus, asked: Asked) -> Asked:
    return replace(asked, method=rng.choice(nasty.METHODS))


def _path(rng: random.Random, corpus: Corpus, asked: Asked) -> Asked:
    return replace(asked, target=rng.choice((*nasty.PATHS, *ADDRESSES)))


def _bent_path(rng: random.Random, corpus: Corpus, asked: Asked) -> Asked:
    return replace(asked, target=("/" + nasty.changed(rng, asked.target).lstrip("/"))[:4000])


def _query(rng: random.Random, corpus: Corpus, asked: Asked) -> Asked:
    other = rng.choice(corpus.luggage())
    return replace(
        asked,
        query=rng.choice(
            (
                "",
                f"l={other}",
                f"l={nasty.changed(rng, other)}",
                f"l={other}&l={other}",
                "l=" + "A" * 3000,
                "l=%00%ff",
                "l=gAAAAA",
                f"l={other[: len(other) // 2]}",
                "&&&=&",
                "m=take&act=take",
                f"l={rng.choice(nasty.TEXTS)[:300]}",
            )
        ),
    )


def _host(rng: random.Random, corpus: Corpus, asked: Asked) -> Asked:
    return asked.with_headers(("Host", rng.choice(nasty.HOSTS)))


def _kind(rng: random.Random, corpus: Corpus, asked: Asked) -> Asked:
    return asked.with_headers(("Content-Type", rng.choice(nasty.KINDS)))


def _headers(rng: random.Random, corpus: Corpus, asked: Asked) -> Asked:
    return asked.with_headers(*rng.sample(nasty.HEADERS, rng.randrange(1, 5)))


def _body(rng: random.Random, corpus: Corpus, asked: Asked) -> Asked:
    return replace(asked, body=rng.choice(nasty.BODIES))


def _damaged(rng: random.Random, corpus: Corpus, asked: Asked) -> Asked:
    return replace(asked, body=nasty.damaged(rng, asked.body))


def _bomb(rng: random.Random, corpus: Corpus, asked: Asked) -> Asked:
    return replace(asked, body=rng.choice(nasty.BOMBS))


def _chunked(rng: random.Random, corpus: Corpus, asked: Asked) -> Asked:
    return replace(asked, chunked=True)


def _looks(rng: random.Random, corpus: Corpus, asked: Asked) -> Asked:
    """Somebody looks at a page that is open to whoever has its address, or changes that address."""
    if not corpus.secret_paths:
        return asked
    path = rng.choice(corpus.secret_paths)
    if rng.random() < 0.5:
        path = "/" + nasty.changed(rng, path).lstrip("/")
    if rng.random() < 0.2:
        path += rng.choice(("/sound/1", "/sound/0", "/x", "/", "?m=take"))
    method = rng.choice(("GET", "GET", "GET", "HEAD", "POST", "OPTIONS"))
    kept = replace(asked, method=method, target=path[:4000], query=rng.choice(("", "m=take", "m=<script>")))
    return kept if method == "POST" else replace(kept, body=b"")


def _acts(rng: random.Random, corpus: Corpus, asked: Asked) -> Asked:
    """Somebody sends a form of the case link whose key is not right."""
    links = [path for path in corpus.secret_paths if path.startswith("/c/")]
    if not links:
        return asked
    fields = [("act", rng.choice(("take", "pass", "note", "close", "call", "reclassify", "name", "x", "")))]
    for name in ("key", "has", "text", "code", "minutes", "urgency", "customer", "q"):
        if rng.random() < 0.6:
            fields.append((name, rng.choice(nasty.TEXTS)))
    made = replace(asked, method="POST", target=rng.choice(links), query="", body=encoded(fields))
    return made.with_headers(("Content-Type", FORM))


_STRANGE = (
    ("no signature", _without_it),
    ("method", _method),
    ("path", _path),
    ("path", _path),
    ("bent path", _bent_path),
    ("query", _query),
    ("host", _host),
    ("kind of body", _kind),
    ("headers", _headers),
    ("body", _body),
    ("damaged body", _damaged),
    ("bomb", _bomb),
    ("chunked", _chunked),
    ("looks", _looks),
    ("looks", _looks),
    ("acts", _acts),
)


# -- with a right signature ------------------------------------------------------------------------


def believed(rng: random.Random, corpus: Corpus, genuine: Genuine) -> Asked:
    """A request that is signed as Twilio signs, with something in it as Twilio would never send it."""
    address = urlsplit(genuine.url)
    form, path, query, made = list(genuine.form), address.path, address.query, []
    for _ in range(rng.choice((0, 1, 1, 1, 2, 2, 3, 4))):
        match rng.randrange(12):
            case 0 | 1 | 2 | 3:
                name = rng.choice(tuple(nasty.PARAMETERS))
                form = put(form, name, rng.choice(nasty.PARAMETERS[name]))
                made.append(name)
            case 4:
                form = [pair for pair in form if rng.random() > 0.2]
                made.append("some missing")
            case 5:
                name, value = rng.choice(form) if form else ("x", "y")
                form = put(form, name, nasty.changed(rng, value))
                made.append(f"{name} bent")
            case 6:
                form.append(rng.choice(form) if form and rng.random() < 0.7 else ("Digits", "1"))
                made.append("one more")
            case 7:
                path = rng.choice((*ADDRESSES, f"/voice/turn/{rng.randrange(12)}"))
                made.append(f"to {path}")
            case 8:
                query = _query(rng, corpus, Asked(query=query)).query
                made.append("other luggage")
            case 9:
                # Another call's words come to this address, or this call's to another.
                other = rng.choice(corpus.sent)
                form, made = list(other.form), [*made, "form of another request"]
            case 10:
                form = put(form, "CallSid", "CA" + f"{rng.randrange(16**6):032x}")
                made.append("a call nobody knows")
            case _:
                form += [(rng.choice(nasty.TEXTS)[:100], rng.choice(nasty.TEXTS)) for _ in range(3)]
                made.append("new parameters")
    asked = Asked("POST", path, query, (("Host", HOST), ("Content-Type", FORM)), encoded(form))
    if rng.random() < 0.05:
        asked, made = replace(asked, body=nasty.damaged(rng, asked.body)), [*made, "damaged"]
    if rng.random() < 0.1:
        asked, made = replace(asked, chunked=True), [*made, "chunked"]
    if rng.random() < 0.1:
        asked, made = _headers(rng, corpus, asked), [*made, "headers"]
    what = "signed: " + ", ".join(made or ["as it was"])
    return replace(signed(asked, corpus.token, corpus.public_url), what=what)


def put(form: Sequence[tuple[str, str]], name: str, value: str) -> Pairs:
    """The form with this parameter set, once."""
    return [*(pair for pair in form if pair[0] != name), (name, value)]
