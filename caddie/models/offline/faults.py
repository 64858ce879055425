"""Whether a message is about faults of the workflow on the canvas.

Invariant: a message that names a change is one, whatever it says of faults. Callers: ``dialogue``.
"""

from __future__ import annotations

import re

from caddie.models.offline import change, inquiry
from caddie.models.offline.thread import Talk

_REPAIR = re.compile(
    r"\b(?:fix|repair|mend|debug)\s+(?:it|this|that|them|the|my|these|all|up|please)\b|\b(?:fix|repair)\W*$|"
    r"\bsort\s+(?:it|that|this)\s+out\b|"
    r"\b(?:refuses|complains)\b|\bfull\s+of\s+errors\b|\bsomething['’]?s?\s+(?:is\s+)?off\b|"
    r"\bcorrect\s+(?:it|that|this|the\s+(?:errors?|faults?))\b|\bvalidation\b.*\b(?:says|fails|complains)\b|"
    r"\bvalidator\s+complains\b",
    re.I,
)
#: Something is wrong, in anybody's words.
_FAULT = re.compile(
    r"\b(?:errors?|wrong|broken|invalid|faulty|problems?|issues?|does\s*n[o'’]t\s+(?:work|exist|run|save|fit)|"
    r"(?:is|are)\s*n[o'’]t\s+(?:working|"
    r"connected|valid)|not\s+(?:working|valid|connected)|clean\s+(?:it|that|this)\s+up|put\s+(?:it|that|"
    r"this)\s+right|complains?|missing|red|"
    r"stuck|nowhere|can['’]?t\s+(?:publish|save|run|start))\b",
    re.I,
)
#: What would happen, not what has happened.
_CASE = re.compile(r"\b(?:what\s+(?:if|happens|would|will)|if|in\s+case)\b", re.I)


def meant(said: Talk) -> bool:
    """Whether this turn is about faults: by its mode, or because the message asks to mend them."""
    if said.context.mode == "repair" and not (inquiry.asks(said.request) and _CASE.search(said.request)):
        return not change.wanted(said)
    wish = not said.request.rstrip().endswith("?") or bool(
        re.search(
            r"\b(?:(?:can|could|would|will)\s+you|fix|"
            r"mend|repair|correct)\b",
            said.request,
            re.I,
        )
    )
    asked = bool(_REPAIR.search(said.request) or (wish and _FAULT.search(said.request)))
    asked = asked and not (inquiry.asks(said.request) and _CASE.search(said.request))
    asked = asked and bool(said.nodes) and not said.answers
    return asked and "validate_workflow" in said.tools and "edit_workflow" in said.tools and not change.wanted(said)
