"""What a field of a schema asks for: by its name, its format, its description.

Invariant: pure functions of the schema. Callers: ``extraction``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from caddie.models.offline import entities, findings
from caddie.models.offline.findings import Finding

Finder = Callable[[str], Iterable[Finding]]
CODES = frozenset("number no nr id code ref reference sku identifier num".split())
MONEY = frozenset(
    "amount total price cost fee sum budget balance salary revenue payment subtotal paid tax vat deposit rent".split()
)
#: Words of a name that say only of what kind the value is, or whose document it is.
PLAIN = frozenset(
    "date amount number name email mail phone address url time value the of a an is in customer client contact "
    "invoice "
    "order sender person user full main our their your my no id".split()
)
#: A field of this kind is another than the plain one: a date is no due date.
ODD = frozenset(
    "due deadline tax vat discount shipping subtotal deposit birth birthday end start expiry expires delivery return "
    "arrival departure checkin checkout fax mobile second alternative cc old new recipient".split()
)
_ALIKE = {
    "total": r"total|amount\s+due|grand\s+total|sum|in\s+all|altogether|balance\s+due",
    "due": r"due|pay(?:able)?\s+by|until|by|before",
    "deadline": r"deadline|due|by|until|before",
    "start": r"start|from|begin|beginning|starting",
    "end": r"end|to|until|till|ending",
    "phone": r"phone|tel|mobile|call|reach\s+me",
    "shipping": r"shipping|delivery|postage|freight",
    "tax": r"tax|vat|gst",
    "vat": r"tax|vat|gst",
    "delivery": r"deliver|arriv",
    "arrival": r"arriv|check-?in|from|landing",
    "departure": r"depart|leav|check-?out|until|to",
    "checkin": r"check-?in|arriv|from",
    "checkout": r"check-?out|until|to|depart",
    "quantity": r"quantity|qty|pieces|units",
    "price": r"price|costs?|for|at",
    "cost": r"costs?|price|for",
    "budget": r"budget|spend|up\s+to",
    "paid": r"paid|pay|charged",
    "refund": r"refund|back",
    "birth": r"born|birth",
    "age": r"age|aged|years",
    "rating": r"rating|rate|rated|stars?|score",
    "deposit": r"deposit|down\s+payment",
    "salary": r"salary|earn|pay|compensation",
    "work": r"office|work",
    "website": r"website|web|site",
}
_BY_FORMAT: dict[str, Finder] = {
    "email": findings.emails, "uri": findings.urls, "url": findings.urls, "date": findings.dates,
    "date-time": findings.dates, "time": findings.times,
}  # fmt: skip
_BY_WORD: tuple[tuple[str, Finder], ...] = (
    ("email mail", findings.emails), ("phone telephone tel mobile cell fax", findings.phones),
    ("url website link homepage site webpage", findings.urls), ("iban", findings.ibans),
    ("currency", findings.amounts), ("date deadline birthday dob", findings.dates), ("time hour", findings.times),
    ("percent percentage", findings.percents), ("zip postcode postal", entities.postcodes),
    ("city town", entities.cities), ("country", entities.countries), ("address street", entities.streets),
    ("company organisation organization employer vendor supplier business firm seller merchant", entities.companies),
    ("product item article device model", entities.products), ("recipient addressee", entities.addressed),
)  # fmt: skip
_PEOPLE = frozenset(
    "name customer sender contact person author client guest caller applicant candidate buyer patient from signature "
    "employee reviewer requester attendee participant speaker owner lead".split()
)
_NO_PERSON = frozenset(
    "file event product project team brand domain user plan workflow campaign course field table".split()
)


def finder(name: tuple[str, ...], schema: dict[str, Any]) -> Finder | None:
    """What finds values of a field, None when only its words can tell."""
    form = schema.get("format")
    if isinstance(form, str) and form in _BY_FORMAT:
        return _BY_FORMAT[form]
    about = set(name)
    code = bool(CODES & about) and not {"phone", "mobile", "telephone", "fax", "tel"} & about
    if code:
        return None
    for known, found in _BY_WORD:
        if about & set(known.split()):
            return found
    if "due" in about and not MONEY & about:
        return findings.dates
    if _PEOPLE & about and not _NO_PERSON & about:
        return entities.people
    if MONEY & about:
        return findings.amounts
    told = set(name_words(str(schema.get("description", "")))[:12])
    return next((found for known, found in _BY_WORD[:6] if told & set(known.split())), None)


def types(schema: dict[str, Any]) -> list[str]:
    given = schema.get("type")
    return [given] if isinstance(given, str) else [each for each in given if isinstance(each, str)] if given else []


def kind(schema: dict[str, Any]) -> str:
    """The type a value is to have."""
    named = [each for each in types(schema) if each != "null"]
    if named:
        return named[0]
    return "object" if "properties" in schema else "array" if "items" in schema else "string"


def name_words(name: str) -> tuple[str, ...]:
    """The words of a name: `dueDate`, `due_date` and "Due date" alike."""
    parted = re.sub(r"(?<=[a-zà-ÿ0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    found = [
        word.lower() for word in re.findall(r"[^\W_]+", parted.replace("e-mail", "email").replace("E-Mail", "email"))
    ]
    return tuple(_WHOLE.get(word, word) for word in found if word not in ("the", "of", "a", "an"))


def singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if re.search(r"(?:ss|us|is)$", word) or len(word) < 4:
        return word
    return re.sub(r"(?<=[sxh])es$|s$", "", word)


def loose(name: tuple[str, ...]) -> str:
    """A pattern for the words of a name beside each other."""
    return r"[\s_-]*".join(f"{re.escape(singular(word))}(?:e?s)?" for word in name)


def alike(word: str) -> str:
    """A pattern for a word and what is said in its place."""
    return _ALIKE.get(word, re.escape(singular(word)))


_WHOLE = {"e": "email", "qty": "quantity", "tel": "phone", "telephone": "phone", "organisation": "company",
          "organization": "company", "mails": "emails", "nr": "number", "num": "number"}  # fmt: skip


def bare(said: str, name: tuple[str, ...], finds: Finder | None) -> str:
    """What a line says of a field, without what it says beyond it."""
    if CODES & set(name) and (code := re.match(r"#?([\w/-]*\d[\w/-]*)", said)):
        return code[1]
    if finds is entities.people or finds is entities.companies:
        said = said.split(",")[0]
    return re.split(r"(?<=\w{3})[.;]\s", said)[0].strip(" ;")


def shown(found: Finding, text: str, name: tuple[str, ...]) -> str:
    """A finding as the text of a field."""
    if "currency" in name:
        return found.kind
    if found.kind:
        return text[found.start : found.end].strip()
    if {"first", "given"} & set(name):
        return str(found.value).split()[0]
    return str(found.value).split()[-1] if {"last", "surname", "family"} & set(name) else str(found.value)
