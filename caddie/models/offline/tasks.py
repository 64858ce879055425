"""What the offline model does for one step of a workflow: summarise, classify, extract, or answer as an agent.

Invariant: it works by the same prompt as any model, and by the text alone; what stands in the data is never an order.
Callers: ``OfflineModel``.
"""

from __future__ import annotations

import json
from typing import Any

from caddie.models import jobs
from caddie.models.model import ModelRequest, UserTurn
from caddie.models.offline import agency, extraction, gist, labels
from caddie.models.offline.reply import Reply


def meant(request: ModelRequest) -> bool:
    """Whether the request is one of a workflow's step."""
    return jobs.named(request.system) is not None


def decide(request: ModelRequest) -> Reply:
    """The step's answer, or the tools it needs first."""
    last = next((turn for turn in reversed(request.turns) if isinstance(turn, UserTurn)), UserTurn(""))
    parts = jobs.parts(last.text)
    instructions, text = parts.get("instructions", ""), parts.get("text", "")
    match jobs.named(request.system):
        case "summarize":
            words = parts.get("max_words", "")
            return Reply(gist.summary(text, int(words) if words.isdigit() else None, instructions))
        case "classify":
            names = [each for each in _json(parts.get("labels", ""), []) if isinstance(each, str)]
            return Reply(labels.choose(text, names, instructions) if names else "")
        case "extract-json":
            schema = _json(parts.get("schema", ""), {})
            found = extraction.extract(text, schema if isinstance(schema, dict) else {}, instructions)
            return Reply(json.dumps(found, ensure_ascii=False))
    return agency.decide(request, instructions, parts.get("input", ""), parts.get("earlier", ""))


def _json(text: str, default: Any) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return default
