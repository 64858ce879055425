"""Search over blocks and templates: by keywords, or by keywords and embeddings with their ranks fused.

Keywords are BM25 with a light English stemmer; synonyms are the tags. Invariant: the same documents, query and mode
give the same hits in the same order; nothing is learned and nothing is fetched. Callers: the agent's search tools, the
offline model, ``GET /v1/search``.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property, lru_cache
from typing import Literal, NamedTuple

from shared.catalog import Block, Catalog
from shared.embeddings import Embeddings, embeddings
from shared.templates import Template, Templates

Kind = Literal["block", "template"]
Mode = Literal["lightweight", "hybrid"]
#: Vectors of the texts, or None where there are none to be had.
Embed = Callable[[list[str]], Embeddings | None]
# Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009): usual values.
K1 = 1.2
B = 0.75
#: Scores are rounded to six digits: anything less is no shared word.
SHARED = 1e-6
# Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion" (2009): their constant.
RRF_K = 60
#: So many of each ranking are fused, and only texts whose cosine is at least this: below it everything is noise.
FUSED = 20
NEAR = 0.1
NO_EMBEDDINGS = "hybrid search needs the extra `hybrid` (pip install caddie[hybrid]); answered by keywords"
MAX_QUERY_CHARS = 2000
#: More than the words of the library, which every index of it stems again.
STEMS_REMEMBERED = 8192
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
    """`type` is a block's type or a template's id."""

    type: str
    score: float
    kind: Kind = "block"


class Passage(NamedTuple):
    """A text of a document; its words count `weight` times: what a thing is called says more than an example of it."""

    text: str
    weight: int


class Document(NamedTuple):
    kind: Kind
    key: str
    passages: tuple[Passage, ...]


def words(text: str) -> list[str]:
    """Stems of the words that carry meaning, in order; of a text of stop words only, all of them."""
    found = _WORD.findall(text.lower().replace("e-mail", "email").replace("'", ""))
    kept = [word for word in found if word not in STOP_WORDS]
    return [stem(word) for word in kept or found]


@lru_cache(STEMS_REMEMBERED)
def stem(word: str) -> str:
    """``posting``, ``posted``, ``posts`` → ``post``; ``summarise``, ``summarizing`` → ``summariz``."""
    for suffix, ending in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3 and not word.endswith("ss"):
            word = word[: len(word) - len(suffix)] + ending
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


class Found(NamedTuple):
    """What a search answered: `mode` is the one used, and `reason` says why when it is not the one asked for."""

    hits: list[Hit]
    mode: Mode
    reason: str | None = None


class Index:
    """An index of documents, built once; what hybrid needs is added when it is first asked for."""

    def __init__(self, documents: Iterable[Document], embed: Embed = embeddings) -> None:
        self._documents = tuple(documents)
        self._embed = embed
        self._terms = [_terms(document) for document in self._documents]
        self._lengths = [sum(terms.values()) for terms in self._terms]
        self._mean = sum(self._lengths) / max(1, len(self._lengths))
        self._holders = Counter(term for terms in self._terms for term in terms)

    def search(self, query: str, limit: int = 5) -> list[Hit]:
        """The best ``limit`` documents by keywords, best first; only those that share a word with the query."""
        terms = sorted(set(words(query[:MAX_QUERY_CHARS])))
        return self._best([self._score(position, terms) for position in range(len(self._documents))], SHARED, limit)

    def find(self, query: str, limit: int = 5, mode: Mode = "lightweight") -> Found:
        """As ``search``, in the mode asked for. The first hybrid call takes about a second: not on an event loop."""
        if mode == "lightweight":
            return Found(self.search(query, limit), "lightweight")
        if (vectors := self._embeddings) is None:
            return Found(self.search(query, limit), "lightweight", NO_EMBEDDINGS)
        if not query.strip():
            return Found([], "hybrid")
        near = self._best(vectors.similarities(query[:MAX_QUERY_CHARS]), NEAR, FUSED)
        return Found(_fused(self.search(query, FUSED), near)[: max(0, limit)], "hybrid")

    def _score(self, position: int, terms: list[str]) -> float:
        norm = K1 * (1 - B + B * self._lengths[position] / self._mean)
        counts = self._terms[position]
        shared = [(self._weight(term), counts[term]) for term in terms if term in counts]
        return round(sum(weight * count * (K1 + 1) / (count + norm) for weight, count in shared), 6)

    def _weight(self, term: str) -> float:
        """Inverse document frequency, never negative."""
        held = self._holders[term]
        return math.log(1 + (len(self._documents) - held + 0.5) / (held + 0.5))

    def _best(self, scores: Iterable[float], least: float, limit: int) -> list[Hit]:
        hits = (Hit(each.key, score, each.kind) for each, score in zip(self._documents, scores, strict=True))
        return _ranked(hit for hit in hits if hit.score >= least)[: max(0, limit)]

    @cached_property
    def _embeddings(self) -> Embeddings | None:
        return self._embed([". ".join(passage.text for passage in each.passages) for each in self._documents])


class BlockSearch(Index):
    """The blocks of one catalog; a hit's `type` is the block's."""

    def __init__(self, catalog: Catalog, embed: Embed = embeddings) -> None:
        super().__init__(map(_of_block, catalog.all()), embed)


class TemplateSearch(Index):
    """Templates; a hit's `type` is the template's id."""

    def __init__(self, templates: Templates, embed: Embed = embeddings) -> None:
        super().__init__(map(_of_template, templates.all()), embed)


class Search:
    """Search over everything there is to build with; `everything` ranks blocks and templates against each other."""

    def __init__(self, catalog: Catalog, templates: Templates) -> None:
        self._blocks, self._templates = BlockSearch(catalog), TemplateSearch(templates)
        self._both = Index((*map(_of_block, catalog.all()), *map(_of_template, templates.all())))

    def blocks(self, query: str, limit: int = 5, mode: Mode = "lightweight") -> Found:
        return self._blocks.find(query, limit, mode)

    def templates(self, query: str, limit: int = 5, mode: Mode = "lightweight") -> Found:
        return self._templates.find(query, limit, mode)

    def everything(self, query: str, limit: int = 5, mode: Mode = "lightweight") -> Found:
        return self._both.find(query, limit, mode)


def _ranked(hits: Iterable[Hit]) -> list[Hit]:
    return sorted(hits, key=lambda hit: (-hit.score, hit.type, hit.kind))


def _fused(*rankings: list[Hit]) -> list[Hit]:
    scores: dict[tuple[str, Kind], float] = defaultdict(float)
    for ranking in rankings:
        for rank, hit in enumerate(ranking, 1):
            scores[hit.type, hit.kind] += 1 / (RRF_K + rank)
    return _ranked(Hit(key, round(score, 6), kind) for (key, kind), score in scores.items())


def _terms(document: Document) -> Counter[str]:
    counts: Counter[str] = Counter()
    for text, weight in document.passages:
        for word in words(text.replace("_", " ")):
            counts[word] += weight
    return counts


def _of_block(block: Block) -> Document:
    names, tags = (Passage(block.type, 3), Passage(block.title, 3)), Passage(" ".join(block.tags), 2)
    examples = (Passage(example.description, 1) for example in block.examples)
    return Document("block", block.type, (*names, tags, Passage(block.summary, 1), *examples))


def _of_template(template: Template) -> Document:
    title, tags = Passage(template.title, 3), Passage(" ".join((template.domain, *template.tags)), 2)
    examples = (Passage(example, 1) for example in template.examples)
    return Document("template", template.id, (title, tags, Passage(template.summary, 1), *examples))
