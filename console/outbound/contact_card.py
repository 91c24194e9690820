"""A contact card with our numbers, for technicians' phones: a contact can be let through do-not-disturb.

vCard 3.0 (RFC 2426), the newest that telephones of both makes read from a file; 4.0 is not read by all.
"""

from __future__ import annotations

import re

from console.settings import Configuration

_FOLDED_AT = 75  # octets
_NAMES = {"it": "{company}, emergenze", "en": "{company}, emergencies", "de": "{company}, Notfälle"}
_NOTES = {
    "it": "Le chiamate di emergenza fuori orario arrivano da questi numeri.",
    "en": "Emergency calls after hours come from these numbers.",
    "de": "Notrufe außerhalb der Bürozeiten kommen von diesen Nummern.",
}
_HOW_TO = {
    "it": """\
Mandi il file al suo telefono e lo apra: si aggiunge un contatto.

iPhone: apra il contatto, tocchi Modifica, poi Suoneria, e attivi il primo interruttore, «Bypass emergenza».
Faccia lo stesso in «Suono messaggio». Il telefono suona allora anche con «Non disturbare» o il silenzioso.

Android: apra il contatto e lo segni come preferito con la stella. Poi, in Impostazioni, «Non disturbare»,
consenta chiamate e messaggi dai contatti speciali (quelli con la stella). Il nome delle voci cambia da un
produttore all'altro. La suoneria deve essere alzata: il silenzioso vale anche per questi numeri.

Alla fine faccia una prova, con «Non disturbare» attivo: ivr technician test {key}
""",
    "en": """\
Send the file to your phone and open it: it adds a contact.

iPhone: open the contact, tap Edit, then Ringtone, and turn on the first switch, Emergency Bypass. Do the same
under Text Tone. The phone then sounds even with Do Not Disturb or the silent switch on.

Android: open the contact and star it as a favourite. Then, in Settings, Do Not Disturb, allow calls and
messages from starred contacts. The names differ from maker to maker. The ringer must be turned up: silent
mode holds for these numbers too.

Then try it, with Do Not Disturb on: ivr technician test {key}
""",
    "de": """\
Schicken Sie die Datei an Ihr Telefon und öffnen Sie sie: Sie fügt einen Kontakt hinzu.

iPhone: Öffnen Sie den Kontakt, tippen Sie auf „Bearbeiten“, dann auf „Klingelton“, und schalten Sie den
ersten Schalter ein, die Umgehung im Notfall. Ebenso unter „Nachrichtenton“. Das Telefon klingelt dann auch,
wenn „Nicht stören“ eingeschaltet oder es stumm gestellt ist.

Android: Öffnen Sie den Kontakt und markieren Sie ihn mit dem Stern als Favoriten. Erlauben Sie dann in den
Einstellungen unter „Nicht stören“ Anrufe und Nachrichten von markierten Kontakten. Die Namen sind je nach
Hersteller verschieden. Der Klingelton muss laut sein: „Stumm“ gilt auch für diese Nummern.

Machen Sie danach die Probe, während „Nicht stören“ eingeschaltet ist: ivr technician test {key}
""",
}


def numbers(configuration: Configuration) -> list[str]:
    """Whatever number a technician's phone may show when we call or write to him."""
    shown = list(configuration.our_numbers)
    for other in (configuration.ringing.caller_id, configuration.notices.text_sender):
        if other.startswith("+"):
            shown.append(other)
    return list(dict.fromkeys(shown))


def vcard(configuration: Configuration, language: str) -> str:
    """The card, in a language that we write; else in Italian."""
    company = configuration.service.name
    name = _escaped((_NAMES.get(language) or _NAMES["it"]).format(company=company))
    lines = ["BEGIN:VCARD", "VERSION:3.0", f"N:{name};;;;", f"FN:{name}", f"ORG:{_escaped(company)}"]
    lines += [f"TEL;TYPE=WORK,VOICE:{_escaped(number)}" for number in numbers(configuration)]
    lines += [f"NOTE:{_escaped(_NOTES.get(language) or _NOTES['it'])}", "END:VCARD"]
    return "".join(f"{_folded(line)}\r\n" for line in lines)


def how_to_use(language: str, key: str) -> str:
    """What the technician does with it, in his language."""
    return (_HOW_TO.get(language) or _HOW_TO["it"]).format(key=key)


def _escaped(text: str) -> str:
    """A text value: nothing in it can end the line or the value."""
    text = re.sub(r"\r\n|[\r\n\u2028\u2029\x85\v\f]", "\n", text)
    text = "".join(c for c in text if c == "\n" or c.isprintable())
    for char, instead in (("\\", "\\\\"), (";", "\\;"), (",", "\\,"), ("\n", "\\n")):
        text = text.replace(char, instead)
    return text


def _folded(line: str) -> str:
    """No line longer than 75 octets; a character is never cut in two."""
    parts, octets = [""], 0
    for char in line:
        size = len(char.encode())
        if octets + size > _FOLDED_AT:
            parts.append(" ")
            octets = 1
        parts[-1] += char
        octets += size
    return "\r\n".join(parts)
