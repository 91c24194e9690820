"""Values nobody would send: what breaks parsers, prompts, columns and logs elsewhere."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

TEXTS = (
    "",
    " ",
    "\x00",
    "\x0b",
    "\r\nX-Injected: 1",
    "\ud800",
    "\ufffe",
    "\u202e",
    "²²",
    "٣٣٣٣٣٣٣٣",
    "１２３４５６７８",
    "<Dial>+39899123456</Dial>",
    "]]><Hangup/>",
    "&lt;Dial&gt;",
    "'; DROP TABLE calls; --",
    "=1+1",
    "@SUM(A1)",
    "{code}{0}{__class__}",
    "%s%n%x",
    "${jndi:ldap://x/}",
    "../../etc/passwd",
    "file:///etc/passwd",
    "http://169.254.169.254/",
    "null",
    "None",
    "true",
    "NaN",
    "-1",
    "0",
    "1e309",
    "9" * 40,
    "9" * 5000,
    "x" * 10_000,
    "\U0001f4de" * 200,
    "a\nb\nERROR forged line",
    "CallSid",
    "Digits",
    "Digits=1&Digits=2",
)
DIGITS = (
    *("", "#", "*", "0", "1", "2", "3", "4", "7", "9", "0#", "9#", "12", "1234567", "12345678", "00000000"),
    *("12345678#", "12345678\n", " 12345678", "1" * 40, "1" * 64_000, "+393331234501", "1*3#", "w1"),
)
PHONES = (
    *("", "anonymous", "Anonymous", "+266696687", "restricted", "sip:x@y.example.net", "client:anna"),
    *("+390461825060", "+390461402406", "+393331234501", "+393471112201", "+390461000001"),
    *("+39899123456", "+39112", "+870773111632", "+393331234501,,1", "+39" + "3" * 60),
)
STATUSES = (
    *("", "queued", "ringing", "in-progress", "completed", "busy", "failed", "no-answer", "canceled"),
    *("answered", "Completed", "delivered", "undelivered", "sent", "absent", "receiving"),
)
URLS = (
    "https://api.twilio.com/2010-04-01/Accounts/AC/Recordings/RE" + "1" * 32,
    "https://evil.example.net/RE" + "2" * 32,
    "file:///etc/passwd/RE" + "3" * 32,
    "https://x/" + "y" * 600 + "/RE" + "4" * 32,
    "https://[::1/RE" + "5" * 32,
)
NUMBERS = ("0", "1", "-1", "4", "86401", "999999999999", "²", "1.5", "", "1e3", "0x10")
SIDS = ("", "CA", "CA" + "g" * 32, "CA" + "0" * 33, "ca" + "0" * 32, "CA" + "0" * 31 + "\n")
# Names of parameters that Twilio sends, and how their values may go wrong.
PARAMETERS: dict[str, Sequence[str]] = {
    "Digits": DIGITS,
    "FinishedOnKey": ("", "#", "*"),
    "From": PHONES,
    "To": PHONES,
    "Caller": PHONES,
    "Called": PHONES,
    "ForwardedFrom": PHONES,
    "CallerName": TEXTS,
    "FromCity": TEXTS,
    "SpeechResult": TEXTS,
    "CallStatus": STATUSES,
    "DialCallStatus": STATUSES,
    "DialBridged": ("true", "false", "True", "1", "", "yes"),
    "DialCallDuration": NUMBERS,
    "DialCallSid": SIDS,
    "CallDuration": NUMBERS,
    "Direction": ("", "inbound", "outbound-dial", "outbound-api", "outbound", "INBOUND"),
    "ParentCallSid": SIDS,
    "RecordingSid": ("", "RE" + "1" * 32, "RE", "RE" + "z" * 32, "../../x"),
    "RecordingUrl": URLS,
    "RecordingDuration": NUMBERS,
    "RecordingStatus": STATUSES,
    "MessageStatus": STATUSES,
    "ErrorCode": NUMBERS,
    "Body": (*TEXTS, "OK", "OK 1234", "CHIUSO 1234 fatto", "PASSO", "STOP", "elenco", "ok " + "1" * 1600),
    "NumMedia": NUMBERS,
    "AccountSid": ("", "AC" + "f" * 32),
    "CallSid": SIDS,
    "MessageSid": ("", "SM" + "0" * 32, "MM" + "1" * 32, "CA" + "0" * 32),
    "StirVerstat": TEXTS,
    "Digit": ("s1",),
    "Di": ("gits1",),
    "DialBridge": ("dtrue",),
    "Parent": ("CallSidCA1",),
}
HOSTS = (
    *("", "x:99999", "x:abc", "a b", "evil.example.net", "127.0.0.1", "[::1]", "[::1]:80", "[", "x" * 300),
    *("rehearsal.invalid:443", "rehearsal.invalid@evil", "rehearsal.invalid\t", "x:1:2", "xn--é"),
)
KINDS = (
    *("", "application/json", "multipart/form-data; boundary=x", "multipart/form-data", "text/plain"),
    *("application/x-www-form-urlencoded; charset=utf-16", "APPLICATION/X-WWW-FORM-URLENCODED", "é/é", ";;;"),
    *("application/x-www-form-urlencoded; charset=nonsense", "application/x-www-form-urlencoded, text/x"),
)
METHODS = ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "POST", "post")
HEADERS = (
    ("X-Forwarded-Host", "evil.example.net"),
    ("X-Forwarded-Proto", "http"),
    ("X-Forwarded-For", "127.0.0.1"),
    ("X-Forwarded-Prefix", "/evil"),
    ("Forwarded", "host=evil;proto=http"),
    ("X-Original-URL", "/voice/status"),
    ("X-HTTP-Method-Override", "GET"),
    ("Content-Encoding", "gzip"),
    ("Cookie", "session=" + "x" * 3000),
    ("Cookie", "=;=;é="),
    ("Range", "bytes=0-,5-1,x"),
    ("If-None-Match", '"' + "x" * 50),
    ("If-Modified-Since", "Sun, 99 Foo 99999 99:99:99 GMT"),
    ("Accept-Language", "it;q=nan, xx-\ud800, " + "a" * 500),
    ("Accept-Language", "*;q=2,,;"),
    ("Accept", "\x00/\x00"),
    ("Expect", "100-continue"),
    ("Authorization", "Basic !!!!"),
    ("Content-Length", "-1"),
    ("Content-Length", "9999999999"),
    ("Content-Length", "²"),
    ("X-Twilio-Webhooks-Signature-Settings", "sha256"),
    ("I-Twilio-Idempotency-Token", "x" * 300),
)
PATHS = (
    *("/", "//", "/voice/", "//voice", "/voice//turn/1", "/Voice", "/VOICE", "/voice.php", "/voice;x=1"),
    *("/voice/turn/", "/voice/turn/-1", "/voice/turn/10000", "/voice/turn/1.0", "/voice/turn/%31"),
    *("/voice/turn/%D9%A3", "/voice/turn/" + "9" * 3900, "/voice/turn/1/", "/voice/turn/1%00"),
    *("/voice/technician/100", "/voice/technician/x", "/voice/out/-1", "/voice/out/999"),
    *("/voice/%74urn/1", "/%76oice", "/voice%2Fturn%2F1", "/voice%252Fturn%252F1", "/voice/%25%32%35"),
    *("/../voice", "/voice/../voice", "/%2e%2e/%2e%2e/etc/passwd", "/voice/%c0%af", "/voice/%ff%fe"),
    *("/voice\\turn\\1", "/voice?x", "/voice#x", "/voice%3Fx", "/voice%23x", "/voice%0d%0aX: 1", "/%"),
    *("/healthz", "/readyz", "/metrics", "/login", "/static/x", "/favicon.ico", "/.git/config", "/c/", "/c"),
    *("/cal/x", "/cal/.ics", "/c/%2e%2e", "/c/" + "A" * 22, "/cal/" + "A" * 32 + ".ics", "/c/" + "A" * 3000),
    *("/c/%00", "/c/%F0%9F%93%9E", "/c/x/sound/1", "/c/x/sound/" + "9" * 300, "/cal/%0a.ics", "*"),
)
BODIES = (
    b"",
    b"&",
    b"=",
    b"====&&&&",
    b"%",
    b"%zz=%zz",
    b"\x00=\x00",
    b"\xff\xfe=\xff",
    b"CallSid=\xed\xa0\x80",
    b"CallSid=" + b"%25" * 2000,
    b"a" * 65_535,
    b"CallSid=CA1&CallSid=CA2",
    b"a[]=1&a[]=2&a[b]=3",
    b'{"CallSid": "CA"}',
    b'--x\r\nContent-Disposition: form-data; name="CallSid"\r\n\r\nCA\r\n--x--\r\n',
    b"\x1f\x8b\x08\x00" + b"\x00" * 40,
)
# Larger than any request of Twilio's: one of a megabyte, one of five thousand parameters.
BOMBS = (
    b"CallSid=" + b"a" * 1_000_000,
    b"&".join(b"P%d=x" % number for number in range(5000)),
    b"&" * 1_000_000,
)


def changed(rng: random.Random, text: str) -> str:
    """The text with something in it cut, doubled, replaced or moved."""
    if not text:
        return rng.choice(TEXTS)
    place = rng.randrange(len(text))
    match rng.randrange(7):
        case 0:
            return text[:place] + text[place + 1 :]
        case 1:
            return text[:place] + rng.choice("AZaz09-_=+/% \x00é") + text[place + 1 :]
        case 2:
            return text[:place]
        case 3:
            return text + rng.choice(TEXTS)[:200]
        case 4:
            return text[::-1]
        case 5:
            return text.swapcase()
        case _:
            return text[:place] + text[place : place + 8] * 2 + text[place + 8 :]


def damaged(rng: random.Random, raw: bytes) -> bytes:
    """Bytes with some of them changed."""
    if not raw:
        return rng.choice(BODIES)
    at = bytearray(raw)
    for _ in range(rng.randrange(1, 6)):
        place = rng.randrange(len(at))
        match rng.randrange(3):
            case 0:
                at[place] = rng.randrange(256)
            case 1:
                del at[place : place + rng.randrange(1, 9)]
            case _:
                at[place:place] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 9)))
        if not at:
            break
    return bytes(at)
