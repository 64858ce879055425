"""What a request limits and no step does: said, so that nothing is left out in silence.

Invariant: looks for comparisons with a number only, and names one only when its number stands nowhere in what is
built. Callers: ``understand``.
"""

from __future__ import annotations

import re

from caddie.models.offline import words
from caddie.models.offline.request import Action, Branch, Loop, Step, Trigger

_LIMIT = re.compile(
    r"\b(?:(?:in|within|from|of)\s+the\s+(?:last|past|next)|(?:more|less|fewer|greater|higher|lower|bigger|"
    r"larger|smaller|older|newer|younger|longer|shorter|"
    r"heavier|cheaper|warmer|"
    rf"colder)\s+than|over|above|below|under|at\s+least|at\s+most|exceed(?:s|ing)?|the\s+(?:top|first))\s+"
    rf"[$€£]?(?P<count>\d[\d.,]*|{words.NUMBER_WORD})\b"
    r"(?!\s*(?:seconds?|secs?|minutes?|mins?|hours?|hrs?|words?|sentences?|characters?|lines?|bullets?|th\b|"
    r"st\b|rd\b|nd\b))(?:\s+[a-z]+)?",
    re.I,
)


def missing(text: str, trigger: Trigger | None, steps: list[Step], unknown: list[str]) -> list[str]:
    """The limits of a text that nothing built holds."""
    held = f"{trigger.payload if trigger else ''} {_held(steps)} {' '.join(unknown)}"
    numbers = {float(each.replace(",", "")) for each in re.findall(r"\d+(?:\.\d+)?", held)}
    numbers |= {
        float(words.NUMBER_WORDS[each.lower()]) for each in re.findall(rf"\b(?:{words.NUMBER_WORD})\b", held, re.I)
    }
    found = []
    for match in _LIMIT.finditer(words.masked(text)):
        count = words.number(match["count"].rstrip(".,"))
        if count is not None and float(count) not in numbers:
            found.append(match.group().strip())
    return found


def _held(steps: list[Step]) -> str:
    told = []
    for step in steps:
        match step:
            case Action(payload=payload, said=said, clause=clause, block=block):
                told.append(
                    f"{payload} {said or ''} {clause if block in ('agent', 'summarize', 'delay', 'wait') else ''}"
                )
            case Branch(test=test, then=then, otherwise=otherwise):
                rights = " ".join(str(each.right) for each in test.conditions)
                told.append(f"{rights} {_held([*then, *otherwise])}")
            case Loop(body=body, most=most):
                told.append(f"{most} {_held(body)}")
    return " ".join(told)
