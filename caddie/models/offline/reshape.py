"""Changes of a workflow's shape: another block in a step's place, branches swapped, a copy, a name, another trigger.

Invariant: what was there keeps its place, its data and its account wherever the new block has room for them. Callers:
``change``.
"""

from __future__ import annotations

import re
from typing import Any

from caddie.models.offline import actions, conditions, phrasing, speak, starts, timetable, turns, words
from caddie.models.offline.answers import value
from caddie.models.offline.canvas import Canvas
from caddie.models.offline.extension import Change, extended
from caddie.models.offline.plan import Edit, Plan
from caddie.models.offline.request import Action, Condition, Slot, Test
from caddie.models.offline.splicing import gate
from caddie.models.offline.thread import Talk
from caddie.models.offline.wiring import fill

_REPLACE = re.compile(
    r"^(?:please\s+)?(?:replace|swap(?:\s+out)?|exchange|switch|change|turn)\s+(?P<old>.+?)\s+(?:with|by|for|into|"
    r"to)\s+(?P<new>(?:an?\s+)?(?:e-?mail|mail|slack|discord|web\s?hook|log|http|telegram|message).*)$|"
    r"^(?:please\s+)?(?:use|take|send|make\s+it)\s+(?P<new2>.+?)\s+(?:instead\s+of|rather\s+than|in\s+place\s+of|"
    r"not)\s+(?P<old2>.+)$|"
    r"^(?:instead\s+of|rather\s+than)\s+(?P<old3>[^,]+?)(?:,\s*|\s+(?=(?:send|post|write|e?mail|notify|use|tell|"
    r"message|ping|log|put)\b))(?P<new3>.+)$|"
    r"^(?P<new4>(?:send|post|e?mail|notify|log|write|use|tell|message|ping|put|"
    r"inform)\b.+?)\s+instead\s+of\s+(?P<old4>.+)$",
    re.I,
)
_SWAP = re.compile(
    r"\b(?:swap|switch|flip|exchange|reverse|invert|turn)\b.*\b(?:branch(?:es)?|then\s+and\s+else|sides?|condition)\b",
    re.I,
)
_COPY = re.compile(
    r"^(?:duplicate|copy|clone|repeat)\s+(?:the\s+)?(.+?)(?:\s+(?:step|node|block))?(?:\s+(?:for|to|but|with|"
    r"in)\s+(.+))?$",
    re.I,
)
_RENAME = re.compile(
    r"^(?:rename|call|title|name)\s+(?:the\s+)?(?:(?:step|node|block)\s+)?(.+?)(?:\s+(?:step|node|block))?\s+(?:to|"
    r"as|into|"
    r":)?\s*(?=[\"'“`]|to\b|as\b|into\b|(?-i:[A-Z]))(?:to\s+|as\s+)?(.+)$",
    re.I,
)
_START = re.compile(
    r"^(?:(?:start|trigger|run|launch|begin|kick\s+off|make)\s+(?:it|this|the\s+workflow|"
    r"the\s+flow)?\s*(?:be\s+)?(?:from|by|via|with|on|through|when|whenever|start\s+(?:from|by|on))\s+.+|"
    r"(?:use|make)\s+an?\s+(?:web\s?hook|chat|manual|button)\s+(?:trigger|start)?.*|(?:change|switch|"
    r"replace)\s+the\s+(?:trigger|start|schedule)\s+(?:to|with|by|for)\s+.+)$",
    re.I,
)
_GATE = re.compile(
    r"^(?:only\s+(?P<what>.+?)\s+(?P<word>if|when|unless|that|which|who|whose|with)|"
    r"(?P<what2>.+?)\s+only\s+(?P<word2>if|when)|"
    r"do\s+not\s+(?P<what3>.+?)\s+(?P<word3>unless))\s+(?P<test>.+)$",
    re.I,
)
_ASKED_FIRST = re.compile(
    r"^(?:(?:i|we|someone|somebody|my\s+\w+|the\s+\w+)\s+(?:(?:want|wants|need|needs|have|has|"
    r"would\s+like|must|should)\s+)?(?:to\s+)?|"
    r"(?:let|have)\s+(?:me|us|someone|somebody|my\s+\w+|the\s+\w+)\s+)(?:okay|ok|approve|confirm|review|"
    r"check|see|look\s+(?:at|over)|"
    r"sign\s+off(?:\s+on)?|have\s+a\s+look\s+at|release|"
    r"green-?light)s?\s+(?P<what>[\w' -]+?)(?:\s*,)?\s+(?:first\b.*|before\b.*)$|"
    r"^(?:do\s+not\s+|never\s+)?(?P<what2>(?:send|post|mail|e-?mail)\s+[\w' -]+?)\s+(?:only\s+(?:with|"
    r"after)|without)\s+(?:my|our)\s+"
    r"(?:ok(?:ay)?|approval|go-?ahead|consent|confirmation)\b.*$",
    re.I,
)
_SENDERS = ("send-email", "slack-send-message", "discord-send-message", "reply_chat", "send-webhook")
_HELD = re.compile(
    r"^(?:if|when(?:ever)?)\s+(?P<test>.+?)\s*,?\s+(?:then\s+)?(?:do\s+not|never|skip|leave\s+out|"
    r"there\s+should\s+be\s+no|no)\s+(?P<what>\w[^,]*)$",
    re.I,
)
_HELD_BEHIND = re.compile(
    r"^(?:do\s+not|never|skip|no)\s+(?P<what>\w[^,]*?)\s+(?:if|when(?:ever)?|in\s+case)\s+(?P<test>.+)$", re.I
)
#: "there are no tickets", "the list is empty", "nothing was found"
_NOTHING = re.compile(
    r"^(?:there\s+(?:is|are|was|were)\s+)?(?:no(?:thing|ne)?|not\s+any(?:thing)?|zero)\b(?!\s+(?:longer|more))[\w ]*$|"
    r"^(?:the\s+)?(?:list|result|results|search|answer|filter|it|they|[\w]+s)\s+(?:is|are|comes?\s+back|"
    r"turns?\s+out)\s+empty$|"
    r"^(?:we|it|you)\s+(?:find|finds|found|have|has|get|gets|got)\s+(?:nothing|none|no\s+\w+)$",
    re.I,
)
_LISTS = {"filter": "items", "web-search": "results", "http-request": "body", "pluck": "values"}
_MESSAGE = ("text", "message", "template", "body")


def replaced(text: str, canvas: Canvas, said: Talk) -> Change | None:
    match = _REPLACE.match(text) or _REPLACE.match(phrasing.imperative(text))
    if match is None:
        return _instead(text, canvas, said)
    groups = match.groupdict()
    old = next((groups[name] for name in ("old", "old2", "old3", "old4") if groups[name]), "")
    new = next((groups[name] for name in ("new", "new2", "new3", "new4") if groups[name]), "")
    node_id = canvas.meant(phrasing.plainly(old))
    action = actions.recognise(_verbal(new), text) or actions.recognise(f"send {new}", text)
    if node_id is None or action is None or node_id in canvas.triggers:
        return None
    if action.block == canvas.nodes[node_id].get("type"):
        return None
    return _put(canvas, node_id, action, said)


def _instead(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """ "post it to #support instead": in place of the only step that sends it another way."""
    match = re.match(r"^(?P<new>\w+\s+.+?)\s+instead$|^instead\s*,?\s+(?P<new2>\w+\s+.+)$", text, re.I)
    action = actions.recognise(match.group("new") or match.group("new2"), text) if match else None
    if action is None or action.block not in _SENDERS:
        return None
    others = [each for each in canvas.of(*_SENDERS) if canvas.nodes[each].get("type") != "send-webhook"]
    if any(canvas.nodes[each].get("type") == action.block for each in others) or len(others) != 1:
        return None
    return _put(canvas, others[0], action, said)


def _verbal(phrase: str) -> str:
    return re.sub(r"^(?:an?\s+|the\s+)?(?=(?:e-?mail|mail|slack|discord)\b)", "send ", phrase.strip(), flags=re.I)


def _put(canvas: Canvas, node_id: str, action: Action, said: Talk) -> Change:
    """The step with another block; its words go into the field of the new one that holds words."""
    old = canvas.payload(node_id)
    text = next((old[name] for name in _MESSAGE if old.get(name)), None)
    payload: dict[str, Any] = {name: None for name in old}
    parents = canvas.parents(node_id)
    scope = canvas.scope(parents[0]) if parents else canvas.scope(node_id)
    action.said = action.said or (str(text) if text is not None else None)
    filled = {name: value_ for name, value_ in fill(action, scope).items() if value_ not in (None, "")}
    slots: list[Slot] = []
    for slot in action.missing:
        given = next((answer for asked, answer in said.answers if slot.question in asked), None)
        if given is None and slot.kind == "channel":
            given = words.channel(said.request)
        known = value(slot, given) if given is not None else None
        if known is not None:
            action.payload[slot.field] = known
        elif given is None:
            slots.append(slot)
    payload |= {**filled, **action.payload}
    edit = Edit("update_node", {"nodeId": node_id, "type": action.block, "payload": payload})
    told = speak.step(action.block, action.payload)
    return Change(Plan([edit]), f"I turn `{node_id}` into: {told}.", slots=slots)


def asked_first(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """ "I want to okay the mail before it goes out": a question to a person in front of the step."""
    match = _ASKED_FIRST.match(text)
    if match is None:
        return None
    what = match.group("what") or match.group("what2")
    sent = [each for each in canvas.order() if canvas.nodes[each].get("type") in _SENDERS]
    target = canvas.meant(what) or (sent[-1] if sent else None)
    if target is None or target in canvas.triggers or not canvas.parents(target):
        return None
    return extended(f"before {target}, ask me for approval", said, canvas, None)


def swapped(text: str, canvas: Canvas, said: Talk) -> Change | None:
    if not _SWAP.search(text):
        return None
    checks = canvas.of("if")
    meant = canvas.meant(re.sub(_SWAP, "", text))
    node_id = meant if meant in checks else checks[-1] if checks else None
    if node_id is None:
        return None
    other = {"then": "else", "else": "then"}
    made = [
        Edit("connect_nodes", {"source": node_id, "target": child, "branch": other[str(branch)]})
        for child in canvas.nodes[node_id].get("children") or []
        if (branch := (canvas.nodes.get(child) or {}).get("branch")) in other
    ]
    return Change(Plan(made), f"I swap the branches of `{node_id}`.") if made else None


def copied(text: str, canvas: Canvas, said: Talk) -> Change | None:
    match = _COPY.match(text)
    node_id = canvas.meant(match.group(1)) if match else None
    if match is None or node_id is None or node_id in canvas.triggers:
        return None
    node, payload = canvas.nodes[node_id], dict(canvas.payload(node_id))
    rest = match.group(2) or ""
    given = {"to": words.email(rest), "channel": words.channel(rest), "url": words.url(rest)}
    payload |= {name: new for name, new in given.items() if new and name in payload}
    name = next(each for at in range(2, 100) if (each := f"{node_id}_{at}") not in canvas.nodes)
    place = canvas.place_after(node_id)
    args: dict[str, Any] = {"nodeId": name, "type": node.get("type"), "payload": payload, "after": [node_id]}
    if node.get("connector"):
        args["connector"] = node["connector"]
    if place.loop:
        args["inLoop"] = place.loop
    return Change(Plan([Edit("add_node", args)]), f"I add a copy of `{node_id}` after it.")


def renamed(text: str, canvas: Canvas, said: Talk) -> Change | None:
    match = _RENAME.match(text)
    node_id = canvas.meant(match.group(1)) if match else None
    if match is None or node_id is None:
        return None
    title = (words.quoted(match.group(2)) or match.group(2)).strip(" .\"'")
    return Change(
        Plan([Edit("update_node", {"nodeId": node_id, "titleOverride": title})]), f"I call `{node_id}` “{title}”."
    )


def restarted(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """Another trigger, except a schedule, which ``change`` sets."""
    bare = re.sub(r"^(?:also|additionally)\s+|^(?:let|allow)\s+(?:me|us)\s+(?:to\s+)?", "", text, flags=re.I)
    bare = re.sub(r"^(?:let|allow)\s+(?:me|us)\s+(?:to\s+)?", "", bare, flags=re.I)
    if not _START.match(re.sub(r"\s+also\b", "", bare, flags=re.I)) or len(canvas.triggers) != 1:
        return None
    wanted = re.split(r"\s+(?:instead\s+of|rather\s+than|not)\b", text, flags=re.I)[0]
    wanted = re.sub(r"^(?:change|switch|replace)\s+the\s+\w+\s+", "", wanted, flags=re.I)
    if re.search(r"\bweb\s?hook\b", wanted, re.I):
        block = "webhook"
    elif re.search(r"\b(?:chat|message)\b", wanted, re.I):
        block = "trigger_chat"
    elif re.search(r"\b(?:manual|button|hand|demand|i\s+press|i\s+click)\b", wanted, re.I):
        block = "manual"
    else:
        found, rest = starts.trigger(wanted, said.context.timezone)
        if found is None or found.block == "cronjob" or actions.recognise(rest, text):
            return None
        block = found.block
    root = canvas.triggers[0]
    if canvas.nodes[root].get("type") == block:
        return None
    if re.search(r"\b(?:also|too|as\s+well|additionally)\b", text, re.I):
        return Change(timetable.second(canvas, root, block, {}), f"I let it start {speak.trigger(block, {})} as well.")
    payload: dict[str, Any] = {name: None for name in canvas.payload(root)}
    edit = Edit("update_node", {"nodeId": root, "type": block, "payload": payload})
    return Change(Plan([edit]), f"I let it start {speak.trigger(block, {})}.")


def _unless_empty(canvas: Canvas, what: str, told: str) -> Change | None:
    """A condition behind the step that brings a list: what follows runs when there is something in it."""
    target = canvas.meant(what) or canvas.leaf()
    above = [target] if target in canvas.nodes else []
    for each in above:
        above.extend(parent for parent in canvas.parents(each) if parent not in above)
    lists = [each for each in above[1:] if canvas.nodes[each].get("type") in _LISTS]
    if not lists:
        return None
    source = lists[0]
    following = [each for each in canvas.nodes[source].get("children") or [] if each in above]
    if not following:
        return None
    plan = gate(canvas, following[0], Test((Condition("items", "exists"),)))
    added = next(edit for edit in plan.edits if edit.tool == "add_node")
    left = "{{" + f"{source}.result.{_LISTS[str(canvas.nodes[source].get('type'))]}" + "}}"
    # An empty list exists, so the question is the other way round.
    added.args["payload"]["conditions"] = [{"left": left, "op": "empty"}]
    for edit in plan.edits:
        if edit.tool == "connect_nodes" and edit.args.get("branch") == "then":
            edit.args["branch"] = "else"
    return Change(Plan(plan.edits), f"When {words.bare(told)}, what follows `{source}` does not run.")


def held_back(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """ "if the list is empty, don't notify": the step runs when the condition does not hold."""
    match = _HELD.match(text) or _HELD_BEHIND.match(text)
    if match and (nothing := _NOTHING.match(match.group("test").strip(" ,"))):
        return _unless_empty(canvas, match.group("what"), nothing.group())
    test = conditions.find(match.group("test")) if match else None
    target = canvas.meant(match.group("what")) if match else None
    if test is None or target is None or target in canvas.triggers or not canvas.parents(target):
        return None
    test = conditions.negated(test)
    return Change(gate(canvas, target, test), f"I put a condition in front of `{target}`: {speak.told(test)}.")


def gated(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """A condition in front of a step that is there: "only send the mail if …"."""
    match = _GATE.match(text)
    if match is None:
        return None
    groups = match.groupdict()
    what = next(groups[name] for name in ("what", "what2", "what3") if groups[name])
    word = next(groups[name] for name in ("word", "word2", "word3") if groups[name])
    asks, waits = canvas.of("human_confirmation"), words.duration_s(groups["test"])
    decided = turns.APPROVED.match(groups["test"]) if asks else None
    test = Test((Condition("approved", "eq", True),)) if decided else conditions.find(groups["test"])
    target = canvas.meant(what)
    if test is None or target is None or target in canvas.triggers or not canvas.parents(target):
        return None
    test = conditions.negated(test) if word.lower() == "unless" else test
    if decided and waits:
        plan = gate(canvas, target, test)
        plan.edits.append(Edit("update_node", {"nodeId": asks[-1], "payload": {"timeoutSeconds": waits}}))
        return Change(plan, f"I wait for the answer {waits:g} seconds and put a condition in front of `{target}`.")
    return Change(gate(canvas, target, test), f"I put a condition in front of `{target}`: {speak.told(test)}.")
