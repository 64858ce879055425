"""Answers about the workflow on the canvas, and about what can be built.

Invariant: says only what the definition, the catalog or a validation report says. Callers: ``talk``.
"""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from caddie.models.offline import inquiry, occasion, outcomes, schedule, speak, tracing, verdicts, words
from caddie.models.offline.canvas import Canvas
from caddie.models.offline.thread import Talk

_WHEN = re.compile(
    r"^\W*(?:(?:at|on|in|for|since)\s+)?(?:when|how\s+often|how\s+frequently|what\s+(?:time|days?|hour)|"
    r"which\s+(?:time|days?|weekdays?|time\s?zone|hours?)|"
    r"what\s+(?:is\s+|are\s+)?(?:the\s+)?(?:schedule|time\s?zone|timing|rhythm))\b|\b(?:how\s+often|what\s+time|"
    r"which\s+time\s?zone|tell\s+me\s+when)\b|"
    r"\b(?:do|must|should)\s+i\s+(?:have\s+to\s+|need\s+to\s+)?(?:do\s+(?:something|anything)|start|press|click|"
    r"trigger|run)\b",
    re.I,
)
_RUNS = re.compile(
    r"\b(?:run|runs|start|starts|fire|fires|happen|happens|trigger|triggered|executed?|schedule|time\s?zone|checks?|"
    r"looks?|sends?|posts?|mails?|get|do|does|"
    r"go\s+off)\b",
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
    (re.compile(r"\b(?:condition|threshold|limit|criteri\w+|rule)s?\b|\bhow\s+(?!many\b|long\b|often\b|does\b|do\b|"
        r"is\b)\w+\b.*\b(?:has?|have|must|needs?|"
                r"should|before|until|triggers?|be)\b|\bon\s+what\b|\bdepends?\b|\bdecide\w*\b|"
                r"\bchoose\w*|\bchosen\b|\bpick\w*\b|\bleaves?\s+out\b|\bleft\s+out\b|\bignor\w+\b|\bexclud\w+\b|"
                r"\bskip\w*\b|\bselect\w*\b|"
                r"\b(?:at|above|below|over|under|from)\s+(?:which|what)\b", re.I), ("if", "filter"), ("conditions",)),
    (re.compile(r"\bhow\s+(?:many|much|long|often)\b.*\b(?:results?|articles?|items?|hits|news|words?|summary|tr(?:y|"
        r"ies)|retr(?:y|ies)|"
                r"wait|pause|delay|take|attempts?)\b", re.I),
     ("web-search", "summarize", "delay", "wait", "http-request"),
     ("limit", "maxWords", "seconds", "timeoutSeconds", "retries")),
    (re.compile(r"\bprompt\b|\binstruct", re.I), ("agent",), ("prompt",)),
    (re.compile(r"\b(?:message|text|wording)\b.*\b(?:say|says|send|sent|read)\b|\bwhat\s+does\s+the\s+(?:message|"
                r"text)", re.I), ("slack-send-message", "discord-send-message", "send-email", "reply_chat"), ("text",)),
)  # fmt: skip
_PATIENCE = re.compile(
    r"\b(?:how\s+long|until\s+when)\b.*\b(?:wait\w*|answer|reply|react|respond|decide|approve|"
    r"time)\b",
    re.I,
)
_INPUT = re.compile(
    r"\b(?:what|which)\b.*\b(?:data|inputs?|fields?|parameters?|values?|information|payload)\b.*\b(?:need|expects?|"
    r"wants?|require\w*|"
    r"take|takes|read|reads|send|pass|provide|contain)\b|\bwhat\b.*\b(?:need|have)\s+to\s+(?:send|pass|"
    r"post)\s+(?:to\s+)?(?:it|the\s+webhook)\b",
    re.I,
)
_COUNT = re.compile(r"\bhow\s+(?:many|big|long)\b.*\b(?:steps?|nodes?|blocks?|parts?)\b", re.I)
_PLAIN = re.compile(
    r"\b(?:simple|simply|plain|everyday|normal|layman\w*|easy|non-?technical|short\s+version|tl;?dr|nutshell|briefly|"
    r"in\s+brief|(?:one|a|a\s+single|two)\s+(?:short\s+)?sentences?|like\s+i(?:['’]?m|\s+am)|in\s+short|"
    r"my\s+(?:boss|grandm\w+|mother|mum|mom|colleagues?|manager|team))\b",
    re.I,
)
_WHICH = re.compile(
    r"\b(?:which|what)\s+(?:of\s+(?:the\s+|these\s+)?)?(?:steps?|nodes?|blocks?|parts?|ones?)\b|"
    r"\bwhere\s+(?:is|are|do|does)\b.*\b(?:used|happen\w*|use)\b",
    re.I,
)
_WHOLE = re.compile(
    r"\b(?:what\s+(?:does|do|is|did|will|would)|explain|describe|how\s+does|walk|talk|take|guide|run|overview|"
    r"sum(?:mar\w+)?\s+(?:up|of|what)|tell\s+me)\b[^,]{0,40}\b(?:this|it|that|the\s+(?:whole\s+)?(?:workflow|flow|"
    r"automation|thing)|my\s+(?:workflow|flow|automation)|me\s+through|everything|here)\b",
    re.I,
)
#: Fields of steps as people call them; the most telling first.
_NAMES = tuple(
    (name, re.compile(pattern, re.I))
    for name, pattern in (
        ("subject", r"\bsubject\b"),
        ("maxWords", r"\b(?:how\s+(?:long|many\s+words)|words|length|long)\b"
         r"(?=.*\b(?:summar\w+|digest|words|text|is|are)\b)"),
        ("prompt", r"\b(?:prompt|instruct\w+|told\s+to)\b"),
        ("labels", r"\b(?:labels?|categor\w+|classes)\b"),
        ("limit", r"\bhow\s+many\s+(?:\w+\s+)?(?:results|articles|hits|items|stories|headlines)\b"),
        ("query", r"\b(?:search(?:es)?\s+for|query|search\s+terms?|keywords?|topic)\b"),
        ("text", r"\b(?:text|wording|body|content|messages?|"
         r"say|says|look(?:s)?\s+like|in\s+the\s+(?:e-?)?mail|writes?)\b"),
    )
)  # fmt: skip
_SAME = {"text": ("text", "message", "template"), "prompt": ("prompt", "instructions")}
_NEXT = re.compile(r"\b(?:next|upcoming|soon)\b|\bwhen\s+(?:will|is\s+it\s+going)", re.I)


def about(said: Talk) -> str | None:
    """The answer to a question about the workflow that is more than telling all of it; else None."""
    canvas, text = Canvas(said.start), inquiry.bare(said.request)
    if (told := outcomes.of(canvas, said.start, text)) is not None:
        return told
    if _COUNT.search(text):
        return f"This workflow has {_size(canvas)}:\n{speak.explain(said.start)}"
    kind = tracing.family(text)
    found = canvas.of(*kind[1]) if kind else []
    if _PLAIN.search(text) and (not found or _WHOLE.search(text)):
        return speak.prose(said.start)
    if _PATIENCE.search(text) and (waits := canvas.of("human_confirmation", "wait")):
        return "\n".join(_patience(canvas, each) for each in waits)
    if step := _step(canvas, text):
        return tracing.purpose(canvas, step)
    if (told := _listed(canvas, text)) is not None:
        return told
    if _WHEN.search(text) and _RUNS.search(text):
        return _when(said)
    if (told := verdicts.whether(said, text)) is not None:
        return told
    if _INPUT.search(text):
        return _inputs(canvas)
    if (told := _origin(canvas, text, general=False)) is not None:
        return told
    for pattern, blocks, names in _FACTS:
        found = canvas.of(*blocks)
        if "limit" in names:
            found = [each for each in found if set(names) & canvas.payload(each).keys()]
        if pattern.search(text) and found:
            return "\n".join(_fact(canvas, each, names) for each in found)
    if (told := _origin(canvas, text, general=True)) is not None:
        return told
    if _WHOLE.search(text):
        return None
    found = canvas.of(*kind[1]) if kind else []
    return "\n\n".join(tracing.purpose(canvas, each) for each in found[:3]) or None


def _patience(canvas: Canvas, node_id: str) -> str:
    """How long a step waits; 600 s is what the catalog gives a question to a person."""
    then = "counts as declined" if canvas.nodes[node_id].get("type") == "human_confirmation" else "goes on as timed out"
    seconds = canvas.payload(node_id).get("timeoutSeconds", 600)
    return f"`{node_id}` waits {seconds} seconds for an answer; without one it {then}."


def _size(canvas: Canvas) -> str:
    count = len(canvas.nodes)
    return f"{count} step{'s' * (count != 1)}, {'the triggers' if len(canvas.triggers) > 1 else 'its trigger'} included"


def _listed(canvas: Canvas, text: str) -> str | None:
    """All steps a "which steps …" asks for."""
    kind = tracing.family(text) if _WHICH.search(text) else None
    if kind is None:
        return None
    found = canvas.of(*kind[1])
    if not found:
        return f"No step of this workflow {kind[0]}."
    head = "This step does:" if len(found) == 1 else "These steps do:"
    return "\n".join([head, *(tracing.line(canvas, each) for each in found)])


def _origin(canvas: Canvas, text: str, general: bool) -> str | None:
    """What stands in a field that a question names, and what fills it in."""
    names = [key for name, pattern in _NAMES if (name == "text") is general and pattern.search(text)
             for key in _SAME.get(name, (name,))]  # fmt: skip
    found = [(each, key) for each in canvas.nodes for key in names if key in canvas.payload(each)]
    kind = tracing.family(text)
    near = [(each, key) for each, key in found if kind and canvas.nodes[each].get("type") in kind[1]]
    lines = []
    for each, key in (near if len(names) == 1 else []) or found:
        value = str(canvas.payload(each)[key])
        sources = [f"`{source}`" for source in tracing.reads(canvas, each) if f"{source}." in value]
        how = "a fixed value of the step"
        if sources or "{{" in value:
            how = f"filled in at each run{f' from {words.joined(sources)}' if sources else ''}"
        lines.append(f"The {key} of `{each}` is “{value}”, {how}.")
    return "\n".join(lines) or None


def _inputs(canvas: Canvas) -> str:
    """What the steps read of what the workflow is started with."""
    found = [str(each) for node in canvas.nodes for each in tracing.sources(canvas, node)]
    read = [each for each in dict.fromkeys(found) if each.split(".")[0] in canvas.triggers]
    if not read:
        return "It reads nothing from what starts it."
    names = words.joined([f"`{re.sub(r'^[^.]+[.](?:result[.])?(?:body[.])?', '', each)}`" for each in read])
    return f"From what starts it, it reads {names}:\n" + "\n".join(f"- `{{{{{each}}}}}`" for each in read)


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
    named = re.search(r"\b(?:the|step)\s+([\w#-]+(?:\s+[\w#-]+)?)\s+(?:step|node|block)\b|\bstep\s+(\d+)\b", text, re.I)
    return canvas.meant(named.group(1) or f"step {named.group(2)}") if named else None


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
