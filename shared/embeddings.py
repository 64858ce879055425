"""Embeddings of texts, from the word vectors that the optional package wordllama carries in its wheel.

Invariant: loaded once, when first asked for, and nothing is ever fetched. Callers: ``shared.search``.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

_loading = Lock()


class Embeddings:
    """The vectors of some texts, to compare a query with. Numpy has no types here: the package is optional."""

    def __init__(self, model: Any, texts: list[str]) -> None:
        self._model = model
        self._vectors: Any = model.embed(texts, norm=True)

    def similarities(self, query: str) -> list[float]:
        """The cosine of the query and each text, -1 to 1. A query of white space only has no vector: raises."""
        cosines: list[float] = (self._vectors @ self._model.embed([query], norm=True)[0]).tolist()
        return cosines


def embeddings(texts: list[str]) -> Embeddings | None:
    """None without the package. The first call takes about a second: not on an event loop."""
    with _loading:
        model = _load()
    return Embeddings(model, texts) if model is not None and texts else None


def installed() -> bool:
    return importlib.util.find_spec("wordllama") is not None


@cache
def _load() -> Any:
    if not installed():
        return None
    root = logging.getLogger()
    before = root.handlers[:], root.level
    wordllama: Any = importlib.import_module("wordllama")
    # Importing it gives the root logger a handler; log lines have one way out, past redaction.
    root.handlers[:], level = before
    root.setLevel(level)
    # Without a cache folder it would look for its own tokenizer in the home folder, and then on the network.
    return wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
