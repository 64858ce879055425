"""Sums in plain words and signs, as expressions of the calculator.

Invariant: returns text only for what asks for a calculation; dates, versions and lone numbers are none. Callers:
``assistant``.
"""

from __future__ import annotations

import re

_WORDS = (
    (r"(?<=\d),(?=\d{3}\b)", ""),
    (r"\bsquare\s+root\s+of\s+([\d.]+)", r"sqrt(\1)"),
    (r"([\d.]+)\s*(?:%|percent|per\s+cent)\s+of\s+([\d.]+)", r"\1 / 100 * \2"),
    (r"([\d.]+|\))\s+squared\b", r"\1 ** 2"),
    (r"([\d.]+|\))\s+cubed\b", r"\1 ** 3"),
    (r"\bto\s+the\s+(?:power\s+of|power)\b|\braised\s+to\b|\^", " ** "),
    (r"\bplus\b", " + "),
    (r"\bminus\b|−", " - "),
    (r"\b(?:times|multiplied\s+by)\b|×|(?<=\d)\s*[x]\s*(?=\d)", " * "),
    (r"\b(?:divided\s+by|over)\b|÷", " / "),
    (r"\bmod(?:ulo)?\b", " % "),
)
_NUMBER = r"(?:\d+(?:\.\d+)?|\.\d+)(?:e[+-]?\d{1,3})?"
_FUNCTION = r"(?:sqrt|abs|round|floor|ceil|min|max|log|exp|sin|cos|tan)"
_SIGN = r"(?:\*\*|//|[-+*/%])"
_RUN = re.compile(rf"(?:{_FUNCTION}\s*\(|\b(?:pi|tau)\b|{_NUMBER}|{_SIGN}|[(),]|\s)+", re.I)
_WHOLE = re.compile(rf"\s*[-+(]*\s*(?:{_NUMBER}|pi|tau|{_FUNCTION}\s*\().*(?:{_NUMBER}|\)|pi|tau)\s*", re.I | re.S)
_OPERATION = re.compile(
    rf"(?:{_NUMBER}|\)|pi|tau)\s*{_SIGN}\s*[-+(]*\s*(?:{_NUMBER}|pi|tau|{_FUNCTION})|{_FUNCTION}\s*\(", re.I
)
_DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}")
_ASKS = re.compile(
    r"\b(?:calculate|compute|solve|evaluate|how\s+much|what(?:['’]?s|\s+is|\s+are|\s+does)|result\s+of|"
    r"equals?|sum|work\s+out"
    r"|add|multiply|divide|square\s+root|percent|plus|minus|times)\b|=|%",
    re.I,
)


def expression(message: str) -> str | None:
    """The longest expression of a message that asks for one."""
    asks = bool(_ASKS.search(message))
    text = message
    for pattern, sign in _WORDS:
        text = re.sub(pattern, sign, text, flags=re.I)
    runs = sorted((found[0].strip(" ,") for found in _RUN.finditer(_DATE.sub(" ; ", text))), key=len, reverse=True)
    for run in runs:
        run = _balanced(" ".join(run.split()))
        if not _WHOLE.fullmatch(run) or not _OPERATION.search(run):
            continue
        alone = len(re.sub(r"[\s?=.!]", "", text)) <= len(run.replace(" ", "")) + 1
        if asks or alone:
            return run
    return None


def _balanced(run: str) -> str:
    """Without parentheses of the sentence around."""
    while run.count(")") > run.count("(") and run.endswith(")"):
        run = run[:-1].rstrip()
    while run.count("(") > run.count(")") and run.startswith("("):
        run = run[1:].lstrip()
    return run.rstrip("+-*/%, ")
