"""Answers about the workflow on the canvas, and about what can be built.

Invariant: says only what the definition, the catalog or a validation report says. Callers: ``talk``.
"""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from caddie.models.offline import occasion, schedule, speak, words
from caddie.models.offline.canvas import Canvas
from caddie.models.offline.guess import index
from caddie.models.offline.thread import Talk
from shared.search import words as content

_WHEN = re.compile(
    r"\b(?:when|how\s+often|what\s+time|at\s+what\s+time|what\s+(?:is\s+the\s+)?(?:schedule|time\s?zone)|"
    r"which\s+time\s?zone)\b(?!\s+(?:the|it|something|someone|a)\b.*,)",
    re.I,
)
_RUNS = re.compile(
    r"\b(?:run|runs|start|starts|fire|fires|happen|happens|trigger|triggered|executed?|schedule|time\s?zone|"
    r"go\s+off)\b",
    re.I,
)
_WHAT_IF = re.compile(
    r"\b(?:what\s+(?:happens|will\s+happen|would\s+happen|do\s+you\s+do|does\s+it\s+do|if)|what\s+about)\b.*?\b(?:if|"
    r"when|with|for|to|once|after|at|given)\b\s*(.*)$",
    re.I,
)
#: A question about something that is in a field: pattern, the blocks that have it, the fields.
_FACTS: tuple[tuple[re.Pattern[str], tuple[str, ...], tuple[str, ...]], ...] = (
    (re.compile(r"\bwho\b.*\b(?:confirm|approve|decide|okay|accept|agree)s?\b", re.I), ("human_confirmation",),
     ("message",)),
    (re.compile(r"\b(?:who|whom|recipients?|addressee|e-?mails?|mails?)\b.*\b(?:gets?|receives?|goes?|sent|to|"
                r"recipients?)\b|\bto\s+whom\b", re.I), ("send-email",), ("to", "cc", "subject")),
    (re.compile(r"\bchannels?\b|\bslack\b", re.I), ("slack-send-message",), ("channel", "text")),
    (re.compile(r"\bwhere\b.*\b(?:from|data|get|come)\b|\b(?:source|address|url|api|"
                r"endpoint)\b", re.I), ("http-request", "web-search"), ("url", "query")),
    (re.compile(r"\b(?:categor|label|class)", re.I), ("classify",), ("labels",)),
    (re.compile(r"\b(?:condition|threshold|limit)s?\b", re.I), ("if", "filter"), ("conditions",)),
    (re.compile(r"\bhow\s+(?:many|much|long|often)\b.*\b(?:results?|articles?|items?|hits|news|words?|summary|tr(?:y|ies)|retr(?:y|ies)|"
                r"wait|pause|delay|take|attempts?)\b", re.I),
     ("web-search", "summarize", "delay", "wait", "http-request"),
     ("limit", "maxWords", "seconds", "timeoutSeconds", "retries")),
    (re.compile(r"\bprompt\b|\binstruct", re.I), ("agent",), ("prompt",)),
    (re.compile(r"\b(?:message|text|wording)\b.*\b(?:say|says|send|sent|read)\b|\bwhat\s+does\s+the\s+(?:message|"
                r"text)", re.I), ("slack-send-message", "discord-send-message", "send-email", "reply_chat"), ("text",)),
)  # fmt: skip
_NEXT = re.compile(r"\b(?:next|upcoming|soon)\b|\bwhen\s+(?:will|is\s+it\s+going)", re.I)
_GENERIC = frozenset(
    "send mak do get peopl can caddi you i me someth anyth way possibl support abl us use work thing block step work "
    "flow workflow "
    "there ani integr node tool which what have connect automat on with to messag".split()
)


def about(said: Talk) -> str | None:
    """The answer to a question about the workflow that is more than telling all of it; else None."""
    canvas, text = Canvas(said.start), said.request
    if re.search(r"\bloop\b|\bfor\s+each\b|\beach\s+item\b", text, re.I) and (loops := canvas.of("for-each")):
        loop = canvas.meant(text, loops) or loops[-1]
        told = speak.outline(said.start, [loop])
        rows = canvas.payload(loop).get("items", "a list that is still open")
        return f"`{loop}` goes through {rows}, one item after another:\n{told}"
    if step := _step(canvas, text):
        return speak.detail(said.start, step)
    if match := _WHAT_IF.search(text):
        return _what_if(canvas, said.start, match.group(1) or text)
    if _WHEN.search(text) and _RUNS.search(text):
        return _when(said)
    for pattern, blocks, names in _FACTS:
        found = canvas.of(*blocks)
        if "limit" in names:
            found = [each for each in found if set(names) & canvas.payload(each).keys()]
        if pattern.search(text) and found:
            return "\n".join(_fact(canvas, each, names) for each in found)
    return None


def _fact(canvas: Canvas, node_id: str, names: tuple[str, ...]) -> str:
    payload = canvas.payload(node_id)
    told = [f"{name}: {speak.value(name, payload[name], payload)}" for name in names if payload.get(name)]
    return f"`{node_id}` ({canvas.nodes[node_id].get('type')}): {'; '.join(told) or 'still open'}."


def _step(canvas: Canvas, text: str) -> str | None:
    """The one step a question names by its id, or by "the … step"."""
    ids = [
        each for each in canvas.nodes if each != "root" and re.search(rf"(?<![\w-]){re.escape(each)}(?![\w-])", text)
    ]
    spoken = [
        each
        for each in canvas.nodes
        if "_" in each and re.search(rf"\b{re.escape(each.replace('_', ' '))}\b", text, re.I)
    ]
    if ids or spoken:
        return (ids or spoken)[0] if len(set(ids or spoken)) == 1 else None
    if which := re.search(r"\bwhich\s+(?:step|node|block)s?\s+(.+)$", text, re.I):
        return canvas.meant(which.group(1))
    named = re.search(r"\b(?:the|step)\s+([\w#-]+(?:\s+[\w#-]+)?)\s+(?:step|node|block)\b|\bstep\s+(\d+)\b", text, re.I)
    return canvas.meant(named.group(1) or f"step {named.group(2)}") if named else None


def _what_if(canvas: Canvas, definition: dict[str, Any], case: str) -> str | None:
    """Both ways of the condition a case is about, and which of them it takes when that can be told."""
    checks = canvas.of("if", "wait", "human_confirmation")
    if not checks:
        return None
    labelled = [
        each
        for each in checks
        if any(re.search(rf"\b{re.escape(str(c.get('right')))}\b", case, re.I) for c in _conditions(canvas, each))
    ]
    named = [
        each
        for each in checks
        if any(_field(c) and re.search(rf"\b{re.escape(_field(c))}\b", case, re.I) for c in _conditions(canvas, each))
    ]
    check = (labelled or named or checks)[0]
    number = words.number(case)
    lines = [f"`{check}` checks whether {speak.conditions(canvas.payload(check))}."]
    found = _conditions(canvas, check)
    holds = _holds(found[0], number) if len(found) == 1 and number is not None and (named or len(checks) == 1) else None
    for branch, what in (
        ("then", "When it holds"),
        ("else", "Otherwise"),
        ("resumed", "When it goes on"),
        ("timed_out", "When time runs out"),
    ):
        starts = [
            each
            for each in canvas.nodes[check].get("children") or []
            if canvas.nodes.get(each, {}).get("branch") == branch
        ]
        if starts and (holds is None or branch not in ("then", "else") or holds is (branch == "then")):
            lines.append(f"{what}:\n{speak.outline(definition, starts)}")
    if holds is not None and len(lines) == 1:
        lines.append("For that value nothing more happens.")
    return "\n".join(lines)


def _conditions(canvas: Canvas, node_id: str) -> list[dict[str, Any]]:
    return [each for each in canvas.payload(node_id).get("conditions") or [] if isinstance(each, dict)]


def _field(condition: dict[str, Any]) -> str:
    return str(condition.get("left", "")).strip("{}").split(".")[-1].replace("_", " ")


def _holds(condition: dict[str, Any], number: float) -> bool | None:
    right = condition.get("right")
    if isinstance(right, bool) or not isinstance(right, int | float):
        return None
    ways = {
        "gt": number > right,
        "gte": number >= right,
        "lt": number < right,
        "lte": number <= right,
        "eq": number == right,
        "neq": number != right,
    }
    return ways.get(str(condition.get("op")))


def _when(said: Talk) -> str:
    told = []
    for node_id in said.start.get("triggerNodeIds") or ["root"]:
        node = said.nodes.get(node_id)
        if node is not None:
            payload = node.get("payload") or {}
            told.append(f"{speak.trigger(str(node.get('type')), payload)} (`{node_id}`){_next(said, payload)}")
    return f"It starts {words.joined(told)}." if told else "It has no trigger yet."


def _next(said: Talk, payload: dict[str, Any]) -> str:
    """The next time of a schedule, when somebody asks for it."""
    if not _NEXT.search(said.request) or not isinstance(rrule := payload.get("rrule"), str):
        return ""
    zone = str(payload.get("timezone") or said.context.timezone)
    try:
        moment = occasion.upcoming(schedule.read(rrule), said.context.now, ZoneInfo(zone))
    except (ValueError, ZoneInfoNotFoundError):
        return ""
    return f", next on {moment:%A, %d %B %Y at %H:%M} ({zone})" if moment else ""


def capability(text: str) -> str:
    """Whether a block does what a question asks for."""
    catalog, search = index()
    asked = (
        re.sub(
            r"^.*?\b(?:can|could|able\s+to|possible\s+to|way\s+to|support|blocks?|steps?|tools?|integrations?)\b",
            "",
            text,
            flags=re.I,
        )
        or text
    )
    terms = [term for term in content(asked) if term not in _GENERIC]
    known = [term for term in terms if search.search(term, 1)]
    hits = search.search(" ".join(known) if known else asked, 6)
    lost = [term for term in terms if term not in known]
    if hits and known and not lost:
        best = [hit for hit in hits if hit.score >= 0.35 * hits[0].score]
        lines = [
            f"- {block.title} (`{block.type}`): {block.summary}" for hit in best if (block := catalog.get(hit.type))
        ]
        return "Yes. These blocks do that:\n" + "\n".join(lines)
    near = [block.title for hit in hits[:3] if (block := catalog.get(hit.type))]
    told = f" The nearest are {words.joined(near)}." if near else ""
    return (
        f"No, there is no block for that.{told} A service with an HTTP API can be called with an HTTP request "
        "(`http-request`)."
    )


_DESCRIBE = re.compile(
    r"\b(?:difference|differ|compare|versus|vs|better)\b|^\W*(?:what\s+(?:is|are|does|do)|how\s+(?:does|do|is)|"
    r"explain|tell\s+me\s+about|when\s+(?:do|"
    r"should)\s+i\s+use)\b.*\b(?:blocks?|steps?\s+type|nodes?|triggers?)\b|^\W*what(?:'s|’s|\s+is|"
    r"\s+are)\s+an?\s+[\w-]+(?:\s+[\w-]+)?\s*\?",
    re.I,
)


def described(text: str, canvas: bool) -> str | None:
    """What the blocks are that a question names: "the difference between delay and wait"."""
    if not _DESCRIBE.search(text) or (canvas and re.search(r"\b(?:this|it|my|here)\b", text, re.I)):
        return None
    catalog, _ = index()
    named = [
        block
        for block in catalog.all()
        if any(
            re.search(rf"(?<![\w-]){re.escape(name)}s?(?![\w-])", text, re.I)
            for name in (block.type, block.type.replace("-", " ").replace("_", " "), block.title)
        )
    ]
    lines = []
    for block in named:
        ways = f" Its branches: {words.joined([f'`{each}`' for each in block.branches])}." if block.branches else ""
        required = block.payloadSchema.get("required")
        needs = (
            f" It needs: {words.joined([f'`{each}`' for each in required])}."
            if isinstance(required, list) and required
            else ""
        )
        lines.append(f"- {block.title} (`{block.type}`): {block.summary}{needs}{ways}")
    return "\n".join(lines) or None


def listing(text: str) -> str:
    """The blocks a "which blocks …" asks for."""
    catalog, search = index()
    if re.search(r"\b(?:start|trigger|begin|launch)\w*\b", text, re.I):
        return "A workflow can start in these ways:\n" + "\n".join(
            f"- {block.title} (`{block.type}`): {block.summary}" for block in catalog.all() if block.trigger
        )
    asked = re.sub(r"^.*?\b(?:blocks?|steps?|tools?|integrations?|nodes?|ways?|options?)\b", "", text, flags=re.I)
    asked = " ".join(
        term for term in re.findall(r"[\w-]+", asked) if set(content(term)) - _GENERIC or term == "messages"
    )
    hits = search.search(asked, 10)
    best = [hit for hit in hits if hit.score >= 0.25 * hits[0].score] if hits else []
    if not best:
        return "These blocks exist: " + words.joined([f"`{block.type}`" for block in catalog.all()]) + "."
    return "These blocks fit:\n" + "\n".join(
        f"- {block.title} (`{block.type}`): {block.summary}" for hit in best if (block := catalog.get(hit.type))
    )


def accounts(definition: dict[str, Any]) -> dict[str, str]:
    """The account each step has, by the step."""
    nodes = definition.get("nodes") or {}
    return {
        key: f"{held.get('type')} account `{held.get('id')}`"
        for key, node in nodes.items()
        if isinstance(held := node.get("connector"), dict)
    }


def report(value: dict[str, Any], text: str, connected: dict[str, str] | None = None) -> str:
    """What a validation report says is missing or wrong."""
    open_, errors = value.get("incomplete") or [], value.get("errors") or []
    if re.search(r"\b(?:accounts?|connect(?:ions?|ors?)?|log\s?ins?|credentials?)\b", text, re.I):
        wanted = [each for each in open_ if each.get("field") == "connector"]
        lines = [f"- `{each.get('nodeId')}`: {each.get('message')}" for each in wanted]
        lines += [f"- `{name}`: {told}, chosen already" for name, told in (connected or {}).items()]
        return (
            "These steps need an account:\n" + "\n".join(lines)
            if lines
            else "No step needs an account that is not connected."
        )
    parts = []
    if errors:
        parts.append(
            "Not right yet:\n"
            + "\n".join(f"- `{each.get('nodeId', '')}`: {each.get('message')}" for each in errors[:10])
        )
    if open_:
        parts.append(
            "Still missing:\n"
            + "\n".join(
                f"- `{each.get('nodeId', '')}` {str(each.get('field', '')).removeprefix('payload.')}: "
                f"{each.get('message')}"
                for each in open_
            )
        )
    return "\n\n".join(parts) or "Nothing is missing: the workflow is valid and complete."
