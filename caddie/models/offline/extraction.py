"""Data of a described shape out of a text, without a model: what a schema's fields are called says what to look for.

Invariant: a value stands in the text; what is not found is left out, or null where the schema allows it. Callers:
``tasks``, ``agency``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from caddie.models.offline import entities, findings, gist, labels, rows, words
from caddie.models.offline.cues import URGENT
from caddie.models.offline.findings import Finding
from caddie.models.offline.wanted import (
    CODES,
    MONEY,
    ODD,
    PLAIN,
    Finder,
    alike,
    bare,
    finder,
    kind,
    loose,
    name_words,
    shown,
    singular,
    types,
)

READ_CHARS = 20_000
DEPTH, FIELDS = 6, 500
#: How far behind a word of the field's name its value may begin.
NEAR_CHARS = 60
_WISH = re.compile(r"\b(?:like|need|order(?:ed)?|want|buy|bought|send|quote\s+for)\s+(\d{1,5})\b(?![.,/-]\d)", re.I)
_YES = re.compile(r"^(?:yes|y|true|on|x|✓|✔|1|agreed|confirmed|ja|oui)\b", re.I)
_NO = re.compile(r"^(?:no|n|false|off|0|none|nein|non)\b", re.I)
_DENIED = re.compile(
    r"\b(?:not|no|never|without|don['’]?t|doesn['’]?t|isn['’]?t|won['’]?t|cannot|can['’]?t|non)[\s-]+(?:[\w'’]+\s+){0,6}$",
    re.I,
)
#: Found only where nothing names them: a line "Company: X" says X.
_AS_SAID: tuple[Finder, ...] = (
    entities.people, entities.companies, entities.products, entities.streets, entities.cities, entities.addressed,
)  # fmt: skip


def extract(text: str, schema: dict[str, Any], instructions: str = "") -> Any:
    """The data, None when nothing of it was found."""
    value, found = Extraction(text, schema, instructions).value(schema, (), 0)
    return value if found or kind(schema) in ("object", "array") else None


class Extraction:
    """One reading of a text. left: fields that may still be looked for; a schema's references can go round."""

    def __init__(self, text: str, root: dict[str, Any], instructions: str, left: list[int] | None = None) -> None:
        self._text, self._left = text[:READ_CHARS], [FIELDS] if left is None else left
        self._root, self._instructions = root, instructions
        self._pairs = [(name_words(key), value, at) for key, value, at in findings.pairs(self._text)]
        try:
            given = json.loads(text) if text.lstrip()[:1] in "{[" else None
        except (ValueError, RecursionError):
            given = None
        if isinstance(given, dict):
            flat = ((key, each) for key, each in given.items() if isinstance(each, str | int | float))
            self._pairs += [(name_words(key), str(each), 0) for key, each in flat]

    def value(self, schema: dict[str, Any], name: tuple[str, ...], depth: int) -> tuple[Any, bool]:
        """(value, whether it was found) of one field."""
        schema = self._resolved(schema)
        self._left[0] -= 1
        if self._left[0] < 0:
            return None, False
        if "const" in schema:
            return schema["const"], True
        if isinstance(choices := schema.get("enum"), list) and choices:
            return self._choice(choices, schema, name)
        match kind(schema):
            case "object":
                return self._object(schema, name, depth) if depth < DEPTH else ({}, False)
            case "array":
                return self._list(schema, name, depth)
            case "boolean":
                return self._flag(schema, name)
            case "number" | "integer":
                return self._count(schema, name)
        return self._words(schema, name)

    def _object(self, schema: dict[str, Any], name: tuple[str, ...], depth: int) -> tuple[Any, bool]:
        properties = schema.get("properties")
        required = schema.get("required") if isinstance(schema.get("required"), list) else []
        made: dict[str, Any] = {}
        found_any = False
        for key, member in properties.items() if isinstance(properties, dict) else ():
            member = member if isinstance(member, dict) else {}
            about = name_words(key)
            value, found = self.value(member, about if not name or len(about) > 1 else (*name, *about), depth + 1)
            if not found and name and len(about) == 1 and kind(self._resolved(member)) != "boolean":
                value, found = self.value(member, about, depth + 1)
            if found:
                made[key], found_any = value, True
            elif key in (required or ()):
                resolved = self._resolved(member)
                if "null" in types(resolved) or resolved.get("nullable"):
                    made[key] = None
                elif kind(resolved) == "boolean" or "enum" in resolved:
                    # One of few values is always right; which, the fallback knows.
                    made[key] = value
                elif kind(resolved) == "array" and not resolved.get("minItems"):
                    made[key] = []
        return made, found_any

    def _list(self, schema: dict[str, Any], name: tuple[str, ...], depth: int) -> tuple[Any, bool]:
        items = schema.get("items")
        items = self._resolved(items) if isinstance(items, dict) else {}
        high = schema.get("maxItems")
        high = high if isinstance(high, int) else 100
        if kind(items) == "object":
            made = list(islice(filter(None, self._rows(items, depth)), high))
            return made, bool(made)
        if choices := items.get("enum"):
            there = [each for each in choices if re.search(rf"(?<!\w){re.escape(str(each))}(?!\w)", self._text, re.I)]
            return there[:high], bool(there)
        said = self._paired(name)
        values: list[Any] = rows.split(said[0]) if said else rows.below(self._text, name) if name else []
        if not values and (finds := finder(tuple(map(singular, name)), items)) and finds is not entities.products:
            values = list(dict.fromkeys(each.value for each in sorted(finds(self._text), key=lambda each: each.start)))
        if not values and kind(items) == "string":
            values = [each["name"].strip() for each in rows.counted(self._text)] or findings.bullets(self._text)
        if kind(items) in ("number", "integer"):
            values = list(rows.numbers(values))
        return values[:high], bool(values)

    def _rows(self, items: dict[str, Any], depth: int) -> Iterator[dict[str, Any]]:
        """Objects of a list: counted things, else each point by itself."""
        properties = items.get("properties")
        fields = {key: name_words(key) for key in properties} if isinstance(properties, dict) else {}
        if counted := rows.counted(self._text):
            yield from (rows.row(found, fields) for found in counted)
            return
        for line in findings.bullets(self._text):
            value, _ = Extraction(line, self._root, self._instructions, self._left).value(items, (), depth + 1)
            if isinstance(value, dict):
                yield rows.pointed(line, value, fields)

    def _flag(self, schema: dict[str, Any], name: tuple[str, ...]) -> tuple[Any, bool]:
        said = self._paired(name)
        if said is not None and (_YES.match(said[0]) or _NO.match(said[0])):
            return bool(_YES.match(said[0])), True
        about = [
            word for word in name if word not in ("is", "has", "was", "wants", "needs", "should", "can", "are", "the")
        ]
        if "urgent" in about or "priority" in about:
            found: re.Match[str] | None = URGENT.search(self._text)
        else:
            stems = "|".join(re.escape(labels._stem(word)) for word in about if len(word) > 2)
            found = re.search(rf"\b(?:{stems})\w*", self._text, re.I) if stems else None
        if found is None:
            return False, False
        return not _DENIED.search(self._text[max(0, found.start() - 60) : found.start()]), True

    def _choice(self, choices: list[Any], schema: dict[str, Any], name: tuple[str, ...]) -> tuple[Any, bool]:
        said = self._paired(name)
        texts = [str(each) for each in choices]
        for scope in ([said[0]] if said else []) + [self._text]:
            there = [at for at, each in enumerate(texts) if re.search(rf"(?<!\w){re.escape(each)}(?!\w)", scope, re.I)]
            if len(there) == 1:
                return choices[there[0]], True
        if len(texts) < 2:
            return choices[0], False
        told = f"{schema.get('description', '')}\n{self._instructions}"
        label, points = labels.evidence(self._text, texts, told)
        return choices[texts.index(label)], points > 0

    def _count(self, schema: dict[str, Any], name: tuple[str, ...]) -> tuple[Any, bool]:
        whole = kind(schema) == "integer"
        said = self._paired(name)
        if said is not None and (number := re.search(r"-?\d[\d.,' ]*\d|-?\d", said[0])):
            value: Any = findings.amount(number[0].strip())
            return (round(value) if whole else value), True
        money = bool(MONEY & set(name)) or "currency" in str(schema.get("description", "")).lower()
        if {"percent", "percentage", "rate"} & set(name) or (name and name[-1] == "discount"):
            found = self._near(findings.percents, name)
        else:
            found = self._near(findings.amounts, name) if money else None
            if found is None and not (
                money and any(findings.amounts(self._text)) and name[0] in ("tax", "vat", "discount")
            ):
                found = self._unit(name) or self._near(findings.numbers, name, strict=True)
        if found is None:
            return None, False
        return (round(float(found.value)) if whole else found.value), True

    def _unit(self, name: tuple[str, ...]) -> Finding | None:
        """ "12 people" for number_of_people, "3 nights" for nights."""
        for noun in [word for word in name if word not in CODES and word not in ("of", "quantity", "count", "total")]:
            stem = re.escape(singular(noun))
            for each in findings.numbers(self._text):
                if re.match(rf"[\s-]+(?:\w+\s+)?{stem}(?:s|es)?\b", self._text[each.end :], re.I):
                    return each
        if {"quantity", "qty", "count", "pieces"} & set(name):
            if counted := rows.counted(self._text):
                return Finding(int(counted[0]["count"]), counted[0].start(), counted[0].end())
            if wish := _WISH.search(self._text):
                return Finding(int(wish[1]), wish.start(1), wish.end(1))
            plain = [
                each for each in findings.numbers(self._text) if isinstance(each.value, int) and 0 < each.value < 10_000
            ]
            return plain[0] if len(plain) == 1 else None
        return None

    def _words(self, schema: dict[str, Any], name: tuple[str, ...]) -> tuple[Any, bool]:
        described = name_words(str(schema.get("description", "")))[:12]
        finds = finder(name, schema)
        said = self._paired(name)
        if said is not None:
            exact = finds is not None and finds not in _AS_SAID
            inner = sorted(finds(said[0]), key=lambda each: each.start) if finds and exact else []
            return (str(shown(inner[0], said[0], name)) if inner else bare(said[0], name, finds)), True
        if finds is not None:
            found = self._near(finds, name)
            if found is None and finds is findings.dates and schema.get("format") not in ("date", "date-time"):
                found = self._near(findings.days, name)
            return (None, False) if found is None else (shown(found, self._text, name), True)
        if {"number", "reference", "ref", "id", "code", "no", "sku"} & set(name) or {"number", "id", "code"} & set(
            described
        ):
            nouns = [word for word in name if word not in CODES] or ["reference", "ref", "id", "code", "number", "no"]
            code = next(findings.codes(self._text, "|".join(map(re.escape, nouns))), None)
            return (str(code.value), True) if code else (None, False)
        if {"summary", "gist"} & set(name):
            return gist.summary(self._text, 30), True
        if {"message", "body", "text", "question", "request", "issue", "problem", "reason", "complaint", "task"} & set(
            name
        ):
            lines = gist.sentences(gist.plain(self._text))
            asked = [line for line in lines if "?" in line] if "question" in name else lines
            return (gist.summary("\n".join(asked), 30), True) if asked else (None, False)
        return self._phrase(name)

    def _phrase(self, name: tuple[str, ...]) -> tuple[Any, bool]:
        """ "the product is X", "subject X", by the field's own words."""
        key = [word for word in name if word not in ("name", "type", "title")] or list(name)
        if not key:
            return None, False
        pattern = re.compile(
            rf"\b{loose(tuple(key))}\b(?:\s+name)?\s*(?:is|was|are|called|named|of|=|:|for|[\"“])+\s*[\"“]?(?P<value>[^\n.,;!?\"”]{{2,80}})",
            re.I,
        )
        found = pattern.search(self._text)
        return (words.bare(found["value"].strip()), True) if found else (None, False)

    def _near(self, finds: Finder, name: tuple[str, ...], *, strict: bool = False) -> Finding | None:
        """The value next to a word of the field's name; without such a word the surest one."""
        every = list(finds(self._text))
        special = [word for word in name if word not in PLAIN] or list(name)
        best: tuple[int, int] | None = None
        for at, each in enumerate(every):
            for rank, word in enumerate(special):
                before = self._text[max(0, each.start - NEAR_CHARS) : each.start]
                before = re.split(r"\n\s*\n|[.;!?]\s", before)[-1]
                hits = list(re.finditer(rf"\b(?:{alike(word)})\w{{0,3}}\b", before, re.I))
                if hits:
                    distance = len(before) - hits[-1].end() + 5 * rank
                    best = min(best or (distance, at), (distance, at))
        if best is not None:
            return every[best[1]]
        if not every or strict or ODD & set(name):
            return None
        return max(every, key=lambda each: float(each.value)) if "total" in name else every[0]

    def _paired(self, name: tuple[str, ...]) -> tuple[str, int] | None:
        """The value of the line whose key is the field's name, or holds all its words."""
        if not name:
            return None
        wanted = {singular(word) for word in name}
        exact = [(value, at) for key, value, at in self._pairs if {singular(word) for word in key} == wanted]
        if exact:
            return exact[0]
        wide = [(value, at) for key, value, at in self._pairs if wanted <= {singular(word) for word in key}]
        bare = {singular(word) for word in name if word not in PLAIN}
        wide = wide or [
            (value, at) for key, value, at in self._pairs
            if bare and bare == {singular(word) for word in key if word not in PLAIN} and len(key) <= 4
        ]  # fmt: skip
        return wide[0] if wide else None

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        for _ in range(DEPTH):
            if isinstance(reference := schema.get("$ref"), str):
                found: Any = self._root
                for part in reference.removeprefix("#").strip("/").split("/"):
                    found = found.get(part) if isinstance(found, dict) else None
                schema = found if isinstance(found, dict) else {}
            elif choices := [each for each in schema.get("anyOf", schema.get("oneOf", ())) if isinstance(each, dict)]:
                kinds = [each for each in choices if each.get("type") != "null"]
                schema = {**(kinds[0] if kinds else {}), **({"nullable": True} if len(kinds) < len(choices) else {})}
            else:
                break
        return schema
