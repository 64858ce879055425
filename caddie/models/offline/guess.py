"""The catalog's search for clauses that no rule knows, and for questions about blocks.

Invariant: a guess is marked as one, and made only when a block stands out. Callers: ``reader``, ``questions``,
``fields``, ``repair``.
"""

from __future__ import annotations

import re
from functools import cache

from caddie.models.offline import turns, words
from caddie.models.offline.reading import LATER, about_what, dictated
from caddie.models.offline.request import Action, Slot
from shared.catalog import Catalog
from shared.plugins import library
from shared.search import BlockSearch
from shared.search import words as content

#: Below this the best block of a search has too little to do with the words.
SCORE = 4.0
#: Fields that the text, or the wiring, can fill.
_FILLED = frozenset(
    "text items input body message template query prompt url to channel seconds subject value schema".split()
)
_FILLERS = {"only", "pleas", "just", "thing", "someth", "work", "workflow"}
_FIRST = re.compile(r"^\w+(?:\s+(?:me|us))?")


def searched(clause: str) -> Action | None:
    """The block the catalog's search finds for a clause no rule knows, when it stands out."""
    if turns.AIM.match(clause):
        return None
    catalog, search = index()
    bare = re.sub(r"\S*[@#/]\S*", " ", words.QUOTE.sub(" ", clause))
    if len(set(content(bare)) - _FILLERS) < 2:
        return None
    hits = [
        hit
        for hit in search.search(bare, 3)
        if (block := catalog.get(hit.type)) and not block.trigger and not block.branches and not block.loop
    ]
    if (
        not hits
        or hits[0].score < SCORE
        or (len(hits) > 1 and hits[0].score < 1.2 * hits[1].score)
        or len(clause.split()) < 2
    ):
        return None
    block = catalog.get(hits[0].type)
    assert block is not None
    required = block.payloadSchema.get("required")
    if not _FILLED.issuperset(map(str, required) if isinstance(required, list) else ()):
        return None
    action = Action(block.type, topic=about_what(clause, _FIRST), clause=clause, said=dictated(clause), guessed=True)
    found = {
        "url": words.url(clause),
        "channel": words.channel(clause),
        "to": words.emails(clause),
        "seconds": words.duration_s(clause),
    }
    properties = block.payloadSchema.get("properties")
    for name in properties if isinstance(properties, dict) else ():
        if found.get(name):
            action.payload[name] = found[name]
        elif name == "url":
            action.missing.append(
                Slot("url", "url", f"Which address (URL) should I use for “{clause[:60]}”?", (LATER,))
            )
    if block.type == "agent":
        action.payload["prompt"] = f"{words.sentence(clause)}."
    return action


@cache
def index() -> tuple[Catalog, BlockSearch]:
    catalog = library().catalog
    return catalog, BlockSearch(catalog)
