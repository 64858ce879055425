"""Who and what a text speaks of: people, companies, addresses, cities, countries, products.

Invariant: a finding stands in the text as it is. Callers: ``wanted``, ``extraction``, ``agency``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from caddie.models.offline.findings import Finding

_B = r"[ \t]+"
_CAP = r"[A-ZÀ-Þ][\w'’-]+"
_TITLE = r"(?:Mr|Mrs|Ms|Dr|Prof)\.?"
_NAME = rf"(?:{_TITLE}{_B})?{_CAP}(?:{_B}(?:(?:van|von|de|der|da|di|la|del|bin){_B})*(?:[A-ZÀ-Þ]\.{_B})?{_CAP}){{0,3}}"
_SAYS = (
    r"my\s+name\s+is|name['’]s|i\s+am\s+called|this\s+is|i['’]m|i\s+am|speaking\s+with|contact(?:\s+person)?\s+is|"
    r"on\s+behalf\s+of|signed\s+by|ask\s+for"
)
_CLOSES = (
    r"(?:(?:best|kind|warm|many)[ \t]+)?(?:regards|wishes|thanks)|sincerely|cheers|thank[ \t]you|yours(?:[ \t]+\w+)?|"
    r"all[ \t]the[ \t]best|best|greetings"
)
_ACTS = r"from|of|at|called|wrote|asked|ordered|here|and|is|has|wants"
_NAMED = (
    re.compile(rf"\b(?i:{_SAYS})\s+(?P<name>{_NAME})"),
    re.compile(rf"^[ \t]*(?i:from|sender|name)[ \t]*:[ \t]*\"?(?P<name>{_NAME})", re.M),
    re.compile(rf"^[ \t]*(?i:{_CLOSES})[ \t]*[,.!]?[ \t]*\n+[ \t]*(?P<name>{_NAME})[ \t]*(?=$|,|\|)", re.M),
    re.compile(rf"^[ \t]*[-–—]{{1,2}}[ \t]*(?P<name>{_NAME})[ \t]*$", re.M),
    re.compile(rf"\b(?P<name>{_TITLE}{_B}{_NAME})"),
    re.compile(rf"\b(?:and|with){_B}(?P<name>{_CAP}{_B}{_CAP})"),
    re.compile(rf"(?:(?<=[a-z,] )|^)(?P<name>{_CAP}{_B}{_CAP})(?={_B}(?:{_ACTS})\b|[,.(])", re.M),
)
_ADDRESSED = re.compile(rf"^[ \t]*(?i:dear|hi|hello|hey|to:)[ \t]+(?P<name>{_NAME})", re.M)
_FORMS = (
    r"GmbH|AG|Inc|LLC|Ltd|Limited|Corp|Corporation|Co|KG|SE|S\.?A|BV|B\.V|PLC|Group|Solutions|Industries|Studios?|"
    r"Logistics|Systems|Partners|Bakery|Software|Consulting|Labs?|Bank|Foods|Motors"
)
_FIRM = re.compile(rf"\b(?P<name>(?:[A-ZÀ-Þ][\w&'’.-]*{_B}){{1,4}}(?:{_FORMS}))\b\.?")
_JOBS = r"manager|director|engineer|head\s+of\s+\w+|CEO|CTO|founder|owner|buyer|assistant|lead|developer|designer"
_EMPLOYED = re.compile(
    rf"\b(?:[Ff]rom|work(?:ing)?\s+(?:at|for)|(?:{_JOBS})\s+(?:at|of)|at){_B}"
    rf"(?P<name>[A-ZÀ-Þ][\w&'’-]*(?:{_B}[A-ZÀ-Þ][\w&'’-]*){{0,3}})"
)
_STREETS = r"St(?:reet)?|Ave(?:nue)?|R(?:oa)?d|Lane|Ln|Drive|Dr|Boulevard|Blvd|Way|Court|Ct|Square|Place|Terrace"
_REST = r"(?:,[ \t]*[A-ZÀ-Þ\d][\w'’-]*(?:[ \t]+[A-ZÀ-Þ\d][\w'’-]*){0,3}){0,3}"
_STREET = re.compile(
    rf"\b\d{{1,5}}[A-Za-z]?{_B}(?:[A-ZÀ-Þ][\w'’.]*{_B}){{1,4}}(?:{_STREETS})\b\.?{_REST}|"
    rf"\b[A-ZÀ-Þ][\w'’-]*(?:straße|strasse|str\.|weg|platz|gasse|allee){_B}\d{{1,4}}[a-z]?{_REST}"
)
_CITY = (
    re.compile(rf"\b\d{{4,5}}{_B}(?P<name>{_CAP}(?:{_B}{_CAP})?)"),
    re.compile(rf"\b(?P<name>{_CAP}(?:{_B}{_CAP})?),{_B}[A-Z]{{2}}{_B}\d{{5}}"),
    re.compile(rf"\b(?:in|to|near|from){_B}(?P<name>{_CAP}(?:{_B}{_CAP})?)"),
)
_POSTCODE = re.compile(r"\b\d{5}(?:-\d{4})?\b|\b[A-Z]{1,2}\d[A-Z\d]?[ \t]?\d[A-Z]{2}\b")
_COUNTRY = re.compile(
    r"\b(?:Germany|France|Spain|Italy|Austria|Switzerland|Netherlands|Belgium|Poland|Portugal|Sweden|Norway|Denmark|"
    r"Finland|Ireland|United\s+Kingdom|UK|England|Scotland|United\s+States|USA|US|Canada|Mexico|Brazil|India|China|"
    r"Japan|Australia|New\s+Zealand|Turkey|Greece|Ukraine|Czech\s+Republic|Hungary|Romania|South\s+Africa|Singapore)\b"
)
_GOT = r"order(?:ed)?|bought|purchased?|buy|return(?:ing)?|received|about|using|got|broke|exchange|love|like"
_AFTER = (
    r"on|from|last|and|which|that|but|in|for|because|is|was|arrived|with|two|three|yesterday|stopped|broke|has|came|to|"
    r"a\s+week|delivered|shipped|sent|by|at|again|today|please"
)
_PRODUCTS = (
    re.compile(r"\b\d{1,4}\s*(?:x|×)\s*(?P<name>[A-Za-z][\w '’-]{1,60}?)(?=\s*(?:[,;.(\n]|and\b|for\b|at\b|$))", re.I),
    re.compile(r"[\"“](?P<name>[^\"”\n]{3,60})[\"”]"),
    re.compile(
        rf"\b(?:{_GOT})\s+(?:an?|the|my|your|one|two|three|\d{{1,3}}|this)\s+(?:new\s+)?"
        rf"(?P<name>[\w'’ -]{{3,50}}?)(?=\s+(?:{_AFTER})\b|[,.!?;\n(])",
        re.I,
    ),
    re.compile(rf"^(?:the|this|my)\s+(?P<name>[\w'’ -]{{3,40}}?)\s+(?=(?:{_AFTER}|does|doesn|works)\b)", re.I | re.M),
)
_NO_NAME = frozenset(
    "i we you they he she it the a an this that my our your hi hello dear team all everyone sir madam support customer "
    "monday tuesday wednesday thursday friday saturday sunday january february march april may june july august "
    "september october november december sorry not just please thanks regards best kind sent happy very still so "
    "interested writing looking having here order invoice email home work school least about there folks".split()
)
_NO_PRODUCT = frozenset("order invoice email message refund money package parcel delivery".split())


def people(text: str) -> Iterator[Finding]:
    """Names of those who write or are spoken of, the surest first."""
    for pattern in _NAMED:
        for found in _found(pattern, text):
            if not _FIRM.search(str(found.value)):
                yield found


def addressed(text: str) -> Iterator[Finding]:
    return _found(_ADDRESSED, text)


def companies(text: str) -> Iterator[Finding]:
    for pattern in (_FIRM, _EMPLOYED):
        for found in _found(pattern, text):
            name = re.sub(r"^(?:From|At|The|Dear|Hi|Hello)\s+", "", str(found.value))
            yield Finding(name, found.end - len(name), found.end)


def streets(text: str) -> Iterator[Finding]:
    for found in _STREET.finditer(text):
        yield Finding(found[0].strip(" ,"), found.start(), found.end())


def cities(text: str) -> Iterator[Finding]:
    for pattern in _CITY:
        yield from _found(pattern, text)


def postcodes(text: str) -> Iterator[Finding]:
    for found in _POSTCODE.finditer(text):
        yield Finding(found[0], found.start(), found.end())


def countries(text: str) -> Iterator[Finding]:
    for found in _COUNTRY.finditer(text):
        yield Finding(found[0], found.start(), found.end())


def products(text: str) -> Iterator[Finding]:
    """What was bought or is spoken of as a thing."""
    for pattern in _PRODUCTS:
        for found in pattern.finditer(text):
            if found["name"].split()[0].lower() not in _NO_PRODUCT:
                yield Finding(found["name"].strip(), found.start("name"), found.end("name"))


def _found(pattern: re.Pattern[str], text: str) -> Iterator[Finding]:
    for found in pattern.finditer(text):
        name = found["name"].strip()
        if name.split()[0].lower() not in _NO_NAME:
            yield Finding(name, found.start("name"), found.start("name") + len(name))
