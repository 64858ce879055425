"""Keyword search over the block catalog: BM25 with a light English stemmer.

Invariant: the same catalog and query give the same hits in the same order; nothing is learned and nothing is
fetched. Synonyms are the blocks' tags. Callers: the agent's block search, the offline model, ``GET /v1/search``.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import NamedTuple

from shared.catalog import Block, Catalog

# Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009): usual values.
K1 = 1.2
B = 0.75
MAX_QUERY_CHARS = 2000
#: A field counts this often: what a block is called says more than an example of it.
WEIGHTS = {"type": 3, "title": 3, "tags": 2, "summary": 1, "examples": 1}
STOP_WORDS = frozenset(
    "a an and are as at be by can could do does for from get give has have how i if in into is it its let like"
    " make me my need of on or our please should so some that the their them then there these this to up use using"
    " want was we what when which who will with would you your".split()
)
_WORD = re.compile(r"[a-z0-9]+")
_SUFFIXES = (
    ("ization", "ize"), ("isation", "ize"), ("ise", "ize"), ("ations", "ate"), ("ation", "ate"), ("ies", "y"),
    ("sses", "ss"), ("ing", ""), ("edly", ""), ("ed", ""), ("ers", ""), ("er", ""), ("ly", ""), ("es", ""), ("s", ""),
)  # fmt: skip


class Hit(NamedTuple):
    type: str
    score: float


def words(text: str) -> list[str]:
    """Stems of the words that carry meaning, in order; of a text of stop words only, all of them."""
    found = _WORD.findall(text.lower().replace("e-mail", "email").replace("'", ""))
    kept = [word for word in found if word not in STOP_WORDS]
    return [stem(word) for word in kept or found]


def stem(word: str) -> str:
    """``posting``, ``posted``, ``posts`` → ``post``; ``summarise``, ``summarizing`` → ``summariz``."""
    for suffix, ending in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3 and not word.endswith("ss"):
            word = word[: len(word) - len(suffix)] + ending
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


class BlockSearch:
    """An index of one catalog, built once."""

    def __init__(self, catalog: Catalog) -> None:
        self._documents = {block.type: _terms(block) for block in catalog.all()}
        self._lengths = {key: sum(terms.values()) for key, terms in self._documents.items()}
        self._mean = sum(self._lengths.values()) / max(1, len(self._lengths))
        self._holders = Counter(term for terms in self._documents.values() for term in terms)

    def search(self, query: str, limit: int = 5) -> list[Hit]:
        """The best ``limit`` blocks, best first; only those that share a word with the query."""
        terms = sorted(set(words(query[:MAX_QUERY_CHARS])))
        hits = [Hit(key, self._score(key, terms)) for key in self._documents]
        return sorted((hit for hit in hits if hit.score > 0), key=lambda hit: (-hit.score, hit.type))[: max(0, limit)]

    def _score(self, key: str, terms: list[str]) -> float:
        norm = K1 * (1 - B + B * self._lengths[key] / self._mean)
        counts = self._documents[key]
        shared = [(self._weight(term), counts[term]) for term in terms if term in counts]
        return round(sum(weight * count * (K1 + 1) / (count + norm) for weight, count in shared), 6)

    def _weight(self, term: str) -> float:
        """Inverse document frequency, never negative."""
        held = self._holders[term]
        return math.log(1 + (len(self._documents) - held + 0.5) / (held + 0.5))


def _terms(block: Block) -> Counter[str]:
    texts = {
        "type": block.type,
        "title": block.title,
        "tags": " ".join(block.tags),
        "summary": block.summary,
        "examples": " ".join(example.description for example in block.examples),
    }
    counts: Counter[str] = Counter()
    for name, text in texts.items():
        for word in words(text.replace("_", " ")):
            counts[word] += WEIGHTS[name]
    return counts
