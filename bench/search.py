"""`python -m bench.search`: recall@5 of block and template search in both modes, on `search_queries.json`.

The queries are labelled by hand and worded unlike the titles, tags and examples they should find. A query counts as
answered when one of its expected blocks or templates is among the first five.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from shared.catalog import Catalog
from shared.search import BlockSearch, Mode, TemplateSearch
from shared.templates import Templates

QUERIES = Path(__file__).parent / "search_queries.json"
MODES: tuple[Mode, ...] = ("lightweight", "hybrid")
TOP = 5


class Recall(NamedTuple):
    """Of one kind in one mode. missed: queries without an expected hit."""

    kind: str
    mode: str
    asked: int
    missed: tuple[str, ...]
    query_us: float

    @property
    def share(self) -> float:
        return 1 - len(self.missed) / self.asked


def queries() -> dict[str, list[dict[str, Any]]]:
    """kind → [{query, expected: [block types or template ids]}]"""
    found: dict[str, list[dict[str, Any]]] = json.loads(QUERIES.read_text())
    return found


def measure() -> list[Recall]:
    """Every kind in every mode; what cannot be had here (hybrid without its extra) is left out."""
    indexes = {"block": BlockSearch(Catalog.builtin()), "template": TemplateSearch(Templates.builtin())}
    found = []
    for kind, labelled in queries().items():
        for mode in MODES:
            if indexes[kind].find("warm up", TOP, mode).mode != mode:
                continue
            began = time.perf_counter()
            answers = [(each, indexes[kind].find(each["query"], TOP, mode).hits) for each in labelled]
            query_us = (time.perf_counter() - began) / len(labelled) * 1e6
            missed = [each["query"] for each, hits in answers if not {hit.type for hit in hits} & {*each["expected"]}]
            found.append(Recall(kind, mode, len(labelled), tuple(missed), query_us))
    return found


def main() -> int:
    results = measure()
    say = sys.stdout.write
    say(f"| documents | queries | mode | recall@{TOP} | µs per query |\n|---|---|---|---|---|\n")
    for each in results:
        say(f"| {each.kind}s | {each.asked} | {each.mode} | {each.share:.0%} | {each.query_us:.0f} |\n")
    if not any(each.mode == "hybrid" for each in results):
        say("\nhybrid was not measured: it needs the extra `hybrid` (pip install caddie[hybrid])\n")
    for each in results:
        say(f"\nmissed, {each.kind}s, {each.mode}:\n" + "".join(f"  {query}\n" for query in each.missed))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
