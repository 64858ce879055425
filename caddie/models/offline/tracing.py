"""How the steps of the workflow on the canvas hang together: who reads a step, when it is reached, what its loss means.

Invariant: reads the definition only. Callers: ``questions``.
"""

from __future__ import annotations

import re

from caddie.models.offline import speak, words
from caddie.models.offline.canvas import Canvas
from shared.errors import CaddieError
from shared.expressions import references

#: The words for what a step does, and the blocks that do it.
FAMILIES: tuple[tuple[str, re.Pattern[str], tuple[str, ...]], ...] = tuple(
    (name, re.compile(pattern, re.I), tuple(blocks.split()))
    for name, pattern, blocks in (
        ("uses AI", r"\b(?:a\.?i\.?|artificial|llm|language\s+model|models?|gpt|claude|tokens?|intelligen\w+|smart)\b",
         "agent summarize classify extract-json"),
        ("posts to Slack", r"\bslack\b", "slack-send-message"),
        ("posts to Discord", r"\bdiscord\b", "discord-send-message"),
        ("sends an email", r"\b(?:e-?mails?|mails?|mailed|mailing|e-?mailed|inbox|cc)\b", "send-email"),
        ("replies in the chat", r"\b(?:repl(?:y|ies|ied)|chat)\b", "reply_chat"),
        ("writes to the log", r"\b(?:log|logs|logged|logging)\b", "log"),
        ("searches the web", r"\b(?:search\w*|google\w*|internet|look(?:s|ed)?\s+(?:it\s+)?up)\b", "web-search"),
        ("asks a "
            "person", r"\b(?:approv\w+|asks?\s+(?:me|a\s+person|someone|somebody|anyone|for\s+permission)|permission|"
                      r"sign\s*-?off|"
         r"confirm\w*|human|check\s+with\s+me|my\s+ok(?:ay)?)\b", "human_confirmation"),
        ("summarizes", r"\b(?:summar\w+|shorten\w*)\b", "summarize"),
        ("classifies", r"\b(?:classif\w+|categor\w+|sorts?|triage)\b", "classify"),
        ("loops", r"\b(?:loops?|looping|for\s+each|iterat\w+)\b", "for-each"),
        ("filters", r"\bfilter\w*\b", "filter"),
        ("waits", r"\b(?:waits?|waiting|pauses?|delays?|sleep\w*)\b", "delay wait human_confirmation"),
        ("remembers "
            "something", r"\b(?:remember\w*|variables?|stores?|saves?|keeps?\s+track|counts?)\b", "set-variable"),
        ("starts another workflow", r"\b(?:another|other|sub)[\s-]*workflows?\b", "trigger-workflow"),
        ("calls a webhook", r"\bwebhooks?\b", "send-webhook webhook"),
        ("calls an address on the "
            "web", r"\b(?:https?|api|requests?|fetch\w*|download\w*|load\w*|gets?\s+the\s+data|calls?)\b",
         "http-request"),
        ("sends "
            "something", r"\b(?:sends?|sent|sending|messages?|notif\w+|posts?|posted|tells?|alerts?|writes?\s+to|"
                         r"outside)\b",
         "send-email slack-send-message discord-send-message send-webhook reply_chat"),
        ("decides", r"\b(?:decides?|conditions?|checks?|branch\w*)\b", "if filter"),
    )
)  # fmt: skip
_APPROVED = re.compile(r"\bapproved\b")


def family(text: str) -> tuple[str, tuple[str, ...]] | None:
    """(what is done, the blocks that do it) of the first kind of step a question names."""
    return next(((name, blocks) for name, pattern, blocks in FAMILIES if pattern.search(text)), None)


def read_by(canvas: Canvas, node_id: str) -> list[str]:
    """The steps that read what a step gives."""
    return [other for other in canvas.nodes if other != node_id and node_id in _steps(canvas, other)]


def reads(canvas: Canvas, node_id: str) -> list[str]:
    return [other for other in canvas.nodes if other in _steps(canvas, node_id)]


def sources(canvas: Canvas, node_id: str) -> list[str]:
    """What a step's fields refer to: "fetch.result.body.euro"."""
    try:
        found = [str(each) for each in references(canvas.payload(node_id))]
    except CaddieError:
        return []
    return [re.sub(r"^\$trigger\b", "root", each.removeprefix("$nodes.")) for each in found]


def _steps(canvas: Canvas, node_id: str) -> set[str]:
    return {each.split(".")[0] for each in sources(canvas, node_id)}


def reached(canvas: Canvas, node_id: str) -> str:
    """When a step has its turn: "when …, once for each item"; empty when always."""
    told, child, seen = [], node_id, {node_id}
    while parents := [each for each in canvas.parents(child) if each not in seen]:
        parent = parents[0]
        block, branch = canvas.nodes[parent].get("type"), canvas.nodes[child].get("branch")
        if child in (canvas.nodes[parent].get("loopBody") or []):
            told.append("once for every item of the list")
        elif block == "if" and branch in ("then", "else"):
            holds = speak.conditions(canvas.payload(parent))
            told.append(f"only when {holds}" if branch == "then" else f"unless {holds}")
        elif block == "human_confirmation":
            told.append("after a person has answered")
        elif block == "delay":
            told.append(f"after a pause of {canvas.payload(parent).get('seconds', 'so many')} seconds")
        elif branch == "timed_out":
            told.append("only when the time runs out")
        elif branch == "resumed":
            told.append("only when it is resumed")
        seen.add(parent)
        child = parent
    return ", ".join(reversed(told))


def line(canvas: Canvas, node_id: str) -> str:
    """One step with when it has its turn, as a point of a list."""
    node = canvas.nodes[node_id]
    when = reached(canvas, node_id)
    return f"- `{node_id}`: {speak.step(str(node.get('type')), canvas.payload(node_id))}{f', {when}' if when else ''}"


def purpose(canvas: Canvas, node_id: str) -> str:
    """A step, what it reads, and who reads it."""
    definition = {"nodes": canvas.nodes}
    lines = [speak.detail(definition, node_id)]
    if inside := canvas.nodes[node_id].get("loopBody"):
        lines.append(f"For each item, one after another:\n{speak.outline(definition, list(inside))}")
    if before := reads(canvas, node_id):
        lines.append(f"It reads {_named(before)}.")
    if after := read_by(canvas, node_id):
        lines.append(f"What it gives is used by {_named(after)}.")
    if when := reached(canvas, node_id):
        lines.append(f"It has its turn {when}.")
    return "\n".join(lines)


def loss(canvas: Canvas, node_id: str) -> str:
    """What goes when a step goes."""
    if node_id in canvas.triggers:
        return f"`{node_id}` is what starts the workflow: without it nothing runs. It can be another trigger instead."
    does = speak.step(str(canvas.nodes[node_id].get("type")), canvas.payload(node_id))
    users, below = read_by(canvas, node_id), canvas.nodes[node_id].get("children") or []
    if canvas.nodes[node_id].get("type") in ("if", "human_confirmation", "wait") and below:
        told = (
            f"Careful: `{node_id}` decides what happens next ({does}). Without it {_named(below)} would always follow."
        )
    elif users:
        told = f"Careful: what `{node_id}` gives ({does}) is read by {_named(users)}, which would need another source."
    else:
        told = f"Yes, nothing breaks: no other step reads `{node_id}`. You only lose what it does: {does}."
        if below:
            told += f" What follows it ({_named(below)}) moves up."
    return f"{told}\nI have changed nothing; say “remove {node_id}” and I take it out."


def decided(canvas: Canvas, approved: bool) -> str | None:
    """What follows the answer to a question put to a person."""
    asked = canvas.of("human_confirmation")
    if not asked:
        return None
    lines = []
    for each in asked:
        gates = [
            gate
            for gate in canvas.of("if")
            if each in reads(canvas, gate) and _APPROVED.search(str(canvas.payload(gate)))
        ]
        if not gates:
            after = [child for child in canvas.nodes[each].get("children") or [] if child in canvas.nodes]
            goes = f"{_named(after)} follows" if after else "nothing follows"
            lines.append(
                f"`{each}` asks “{canvas.payload(each).get('message', '')}”, and no step looks at the answer: {goes} "
                f"either way."
                + (f" Say “only run {after[0]} when it is approved” to change that." if after and not approved else "")
            )
            continue
        for gate in gates:
            branch = "then" if approved else "else"
            follows = [
                c for c in canvas.nodes[gate].get("children") or [] if canvas.nodes.get(c, {}).get("branch") == branch
            ]
            told = "\n".join(line(canvas, child) for child in follows) or "- nothing more"
            lines.append(
                f"`{gate}` looks at the answer to `{each}`. When it is "
                f"{'approved' if approved else 'declined'}:\n{told}"
            )
    return "\n".join(lines)


def failed(canvas: Canvas, node_id: str | None) -> str:
    """What happens when a step fails."""
    caught = [
        each
        for each in canvas.nodes
        if "$nodes." in str(canvas.payload(each)) and ".error" in str(canvas.payload(each))
    ]
    what = f"`{node_id}`" if node_id else "A step"
    lines = [f"{what} is tried again twice when the failure may pass."]
    if node_id and canvas.nodes[node_id].get("type") == "http-request":
        lines.append("Any answer of the server counts, also an error page: its number is in "
                     f"`{{{{{node_id}.result.status}}}}`. No answer at all is a failure.")  # fmt: skip
    if caught:
        lines.append(f"After a failure the workflow goes on, because {_named(caught)} deals with it.")
    else:
        lines.append("If it still fails, the run ends there as failed, the steps behind it do not run, and nobody is "
            "told; "
                     "it stands in the list of runs.")  # fmt: skip
        if canvas.of("http-request"):
            lines.append("Say “if the request fails, email me@example.com” and I add a check of the answer.")
    return " ".join(lines)


def _named(node_ids: list[str]) -> str:
    return words.joined([f"`{each}`" for each in node_ids])
