"""Reads a request for a workflow: what starts it, and its clauses as a tree of steps.

Invariant: the same text gives the same request, whatever is on the canvas. Callers: ``dialogue``, ``change``.
"""

from __future__ import annotations

import re
from datetime import datetime

from caddie.models.offline import clauses, paraphrase, phrasing, starts
from caddie.models.offline.reader import Reader
from caddie.models.offline.request import Request

#: "I need to know when our site is down:": why, before what.
_CONTEXT = re.compile(r"^(?:(?:i|we)\s+(?:need|want|would\s+like|have)|know|hear)\b[^.!?#@/]*:\s*$", re.I)


def understand(
    text: str,
    timezone: str,
    now: datetime | None = None,
    labels: list[str] | None = None,
    standalone: bool = True,
    known: frozenset[str] = frozenset(),
) -> Request:
    """The request in a text; `unknown` holds the clauses that say nothing to this model. labels: known already.

    standalone: not a part of a workflow that has data of its own. known: the blocks of that workflow.
    """
    text = paraphrase.text(phrasing.without_politeness(phrasing.plain(text)))
    if not standalone and known & {"http-request", "send-webhook"} and starts.breaks(text):
        trigger, rest = None, text
    else:
        trigger, rest = starts.trigger(text, timezone, now)
    reader = Reader(text, labels or [], known | ({trigger.block} if trigger else set()))
    told = clauses.sentences(starts.BOT.sub("", phrasing.without_politeness(rest), count=1))
    for sentence in told:
        if _CONTEXT.match(sentence) or (len(told) > 1 and paraphrase.rhetorical(sentence)):
            continue
        reader.sentence()
        for clause in clauses.split(phrasing.without_politeness(sentence)):
            reader.clause(clause)
    if trigger is not None and trigger.block == "trigger_chat" and standalone:
        reader.embodied(starts.persona(trigger.event), bool(starts.BOTS.search(text)))
    reader.finish(standalone and (trigger is None or trigger.block in ("cronjob", "manual")))
    return Request(trigger, reader.steps, reader.unknown)
