"""Changes of one step's fields: its words, target, labels, prompt, condition.

Invariant: a field is changed only when the message names it, its step or something only it can hold; all else of the
step stays. Callers: ``change``.
"""

from __future__ import annotations

import re
from typing import Any

from caddie.models.offline import actions, amounts, conditions, memory, speak, words
from caddie.models.offline.canvas import Canvas
from caddie.models.offline.extension import ADD, Change
from caddie.models.offline.guess import index
from caddie.models.offline.plan import Edit, Plan
from caddie.models.offline.request import Condition
from caddie.models.offline.thread import Talk

_TEXTS = {"slack-send-message": "text", "discord-send-message": "text", "send-email": "text", "reply_chat": "text",
          "log": "message", "format": "template", "human_confirmation": "message"}  # fmt: skip
_LABEL_GONE = re.compile(r"\b([\w-]+)\s+(?:category|label|class)\b", re.I)
_TEXT = re.compile(
    r"\b(?:message|text|wording|body|question|mail|e-?mail|post|reply|answer|log(?:\s+line)?)\s+(?:(?:to|for|in|on|"
    r"of)\s+"
    r"(?:the\s+|my\s+|our\s+)?(?!say\b|read\b|be\b)[\w#@.-]+\s+)?(?:to\s+(?:say|read|"
    r"be)\s+|(?:to|into)\s+(?=[\"“'])|should\s+(?:say|be|read)(?:\s+|(?=:))|so\s+(?:that\s+)?it\s+says\s+|says?\s+|"
    r"reads?\s+)\s*:?\s*(.+)$|"
    r"\b(?:say|write|post|reply(?:\s+with)?|answer(?:\s+with)?)\s+([\"“'].+?[\"”'])(?:\s+instead)?\s*$|"
    r"\bsay\s+(.+?)\s+instead\b",
    re.I,
)
_SUBJECT = re.compile(
    r"\bsubject(?:\s+line)?(?:\s+|(?=:))(?:to|should\s+be|into|is|of\s+.{1,40}?\s+to|:|be)?\s*:?\s*(.+)$", re.I
)
_MOVES = re.compile(
    r"\b(?:change|set|make|switch|update|use|instead|rather|replace|edit|move[ds]?|put|not\s+\S+\s+but|should|must|"
    r"needs?\s+to|go(?:es)?\s+to|"
    r"send\s+(?:it|that|them|the\s+\w+)\s+to|is\s+now|has\s+(?:changed|moved)|from\s+now\s+on|now\s+(?:at|is)|"
    r"point)\b|^\s*(?:to|in|on)\s",
    re.I,
)
_PROMPT = re.compile(
    r"^(?:(?:tell|instruct|ask|let|make|have)\s+)?(?:the\s+)?(?:ai(?:\s+agent)?|agent|bot|assistant|model|answers?|"
    r"repl(?:y|ies))\s+(?:should|must|shall|needs?\s+to|to|always|is\s+to|be|has\s+to)?\s*(.+)$|"
    r"^(?:change|set)\s+the\s+prompt\s+(?:to|into)\s*:?\s*(.+)$",
    re.I,
)
_LABEL_ADD = re.compile(
    r"^(?:also\s+)?(?:add|include|append)\s+(?:an?\s+|the\s+|another\s+|new\s+)*(?:category|label|class|option|"
    r"categories|labels)\s+(?:called\s+|named\s+|for\s+)?(.+)$|^(?:also\s+)?(?:add|"
    r"include)\s+(.+?)\s+(?:as\s+(?:an?\s+)?(?:new\s+)?(?:category|categories|labels?|class(?:es)?)|"
    r"to\s+the\s+(?:categories|labels|classes))$",
    re.I,
)
_LABEL_DROP = re.compile(r"^(?:remove|drop|delete)\s+(?:the\s+)?(?:category|label|class)\s+(.+)$", re.I)
_COMPARED = re.compile(
    r"\b(?:(?:is|are|falls?|drops?|rises?|goes|gets?|climbs?|reaches|exceeds?)\s+)?(?:above|below|over|under|"
    r"at\s+least|at\s+most|(?:more|less|greater|higher|lower|fewer|warmer|colder|bigger|smaller)\s+than|exceeds?|"
    r"reaches)\b.*$",
    re.I,
)
_LIMIT = re.compile(
    rf"\b(?:threshold|limit|value|condition|(?<!^)check|cut-?off|bar|minimum|maximum)\b(?:.*?\b(?:to|at|is|"
    rf"be))?\s+[$€£]?({words.NUMBER.pattern})",
    re.I,
)


#: The same mail to one more.
_TOO = re.compile(
    r"^(?:also\s+)?(?:send|mail|e-?mail|forward|deliver)\s+(?:it|this|that|the\s+(?:same\s+)?(?:e-?mail|mail|"
    r"summary|report|message|digest))\s+"
    r"(?:also\s+)?to\s+(?:\S+@\S+(?:\s*(?:,|and)\s*)?)+\s*(?:as\s+well|too|also)?$|^also\s+send\s+(?:it|this|"
    r"that)\s+to\s+\S+@\S+$|"
    r"^(?:\S+@\S+)\s+should\s+(?:get|receive)\s+(?:it|this|the\s+\w+)\s*(?:as\s+well|too|also)?$",
    re.I,
)
_VERB = re.compile(r"^(?:is|are|falls?|drops?|rises?|goes|gets?|climbs?)\s+", re.I)


def reworded(text: str, canvas: Canvas, said: Talk) -> Change | None:
    if (subject := _SUBJECT.search(text)) and (mails := canvas.of("send-email")):
        new = words.quoted(subject.group(1)) or subject.group(1).strip(" .")
        return _set(canvas, _one(canvas, text, mails), {"subject": new}, f"I set the subject to “{new}”")
    match, targets = _TEXT.search(text), canvas.of(*_TEXTS)
    if match is None or not targets or (ADD.match(text) and "instead" not in text):
        return None
    told = next(group for group in match.groups() if group)
    node_id = _one(canvas, text[: match.start(1) if match.group(1) else match.end()], targets)
    name = _TEXTS[str(canvas.nodes[node_id].get("type"))]
    new = words.quoted(told) or re.sub(r"\s+instead$", "", told.strip())
    return _set(canvas, node_id, {name: new}, f"I change the text of `{node_id}`")


_FOR = re.compile(
    r"^(?:call|use|fetch|get|load|read|take|ask|query)\s+(?P<url>https?:\S+)\s+(?:for|in|as|to\s+(?:get|fetch|"
    r"read))\s+(?:the\s+)?(?P<step>[\w' -]+)$", re.I
)


def addressed(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """ "call https://… for the status": another address of the call that is there."""
    match, calls = _FOR.match(text), canvas.of("http-request", "send-webhook")
    node_id = canvas.meant(match.group("step"), calls) if match and calls else None
    if match is None or node_id is None:
        return None
    return _set(canvas, node_id, {"url": match.group("url")}, f"I change url of `{node_id}` to {match.group('url')}")


def retargeted(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """Another channel, recipient or address for a step that has one."""
    if (ADD.search(text) and not re.search(r"\binstead\b", text, re.I)) or not _MOVES.search(text):
        return None
    address, channel, link = words.emails(text), words.channel(text), words.url(text)
    options: list[tuple[list[str], str, Any]] = [
        (canvas.of("slack-send-message"), "channel", channel if channel and not address else None),
        (canvas.of("send-email"), "to", _recipients(text, address)),
        (canvas.of("http-request", "send-webhook"), "url", link if link and not address else None),
    ]
    for targets, name, new in options:
        if new and targets:
            node_id = _sorted(canvas, text, targets) or _one(canvas, words.URL.sub("", text), targets)
            if node_id == "new":
                return None
            method = re.search(r"\b(GET|POST|PUT|PATCH|DELETE)\b", text) if name == "url" else None
            more = {"method": method.group()} if method and canvas.nodes[node_id].get("type") == "http-request" else {}
            return _set(canvas, node_id, {name: new, **more}, f"I change {name} of `{node_id}` to {new}")
    return None


def _recipients(text: str, addresses: list[str]) -> Any:
    several = len(addresses) > 1 and not re.search(r"\b(?:instead|not|rather|from)\b", text, re.I)
    return addresses if several else addresses[-1] if addresses else None


def _sorted(canvas: Canvas, text: str, targets: list[str]) -> str | None:
    """Of the steps that hang on a label, the one whose label the text names; "new" when none hangs on it yet."""
    labels = [str(each) for key in canvas.of("classify") for each in canvas.payload(key).get("labels") or []]
    shadow = words.CHANNEL.sub(" ", words.EMAIL.sub(" ", words.URL.sub(" ", text)))
    named = [each for each in labels if re.search(rf"\b{words.forms(each)}\b", shadow, re.I)]
    if len(named) != 1:
        return None
    for target in targets:
        checks = [target, *canvas.parents(target)]
        if any(
            str(c.get("right")) == named[0] for each in checks for c in canvas.payload(each).get("conditions") or []
        ):
            return target
    return "new"


def completed(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """What was missing: "the url is https://… and the channel #team"."""
    if not re.search(r"\b(?:is|are|use|take|it's|should|must)\b|:", words.URL.sub("", text), re.I) or ADD.match(text):
        return None
    catalog, _ = index()
    given: dict[str, Any] = {
        "url": words.url(text),
        "channel": words.channel(text),
        "to": words.email(text),
    }
    made = []
    for node_id in canvas.order():
        block = catalog.get(str(canvas.nodes[node_id].get("type")))
        required = block.payloadSchema.get("required") if block else None
        names = [str(each) for each in required] if isinstance(required, list) else []
        missing = [name for name in names if not canvas.payload(node_id).get(name)]
        payload = {name: given.pop(name) for name in missing if given.get(name)}
        if payload:
            made.append(Edit("update_node", {"nodeId": node_id, "payload": payload}))
    told = words.joined([f"`{edit.args['nodeId']}`" for edit in made])
    return Change(Plan(made), f"I fill in what was missing in {told}.") if made else None


def copied_in(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """Somebody else who gets the mail too."""
    match = re.match(
        r"^(?:please\s+)?(?:also\s+)?(?:(?:send|give)\s+(?:an?\s+|the\s+)?(?:copy|cc|carbon\s+copy)\b.*|cc\b.*|"
        r"(?:put|set|add|include)\s+\S+@\S+\s+(?:in|on|to|as)\s+(?:the\s+|a\s+)?(?:cc|copy|recipients?).*)$",
        text,
        re.I,
    )
    address, mails = words.emails(text), canvas.of("send-email")
    if match is None and address and len(mails) == 1 and _TOO.match(text):
        before = canvas.payload(mails[0]).get("to")
        to = [*(before if isinstance(before, list) else [before] if before else []), *address]
        told = f"I send `{mails[0]}` to {words.joined(address)} too"
        return _set(canvas, mails[0], {"to": list(dict.fromkeys(to))}, told)
    if match is None or not address or not mails:
        return None
    node_id = _one(canvas, text, mails)
    before = canvas.payload(node_id).get("cc")
    copies = [*(before if isinstance(before, list) else []), *address]
    return _set(
        canvas, node_id, {"cc": list(dict.fromkeys(copies))}, f"I put {words.joined(address)} in copy of `{node_id}`"
    )


def prompted(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """What else the AI has to heed, or another prompt."""
    match, agents = _PROMPT.match(text), canvas.of("agent")
    if match is None or not agents or words.channel(text) or words.emails(text):
        return None
    done = actions.recognise(match.group(1), "") if match.group(1) else None
    placed = re.search(r"\b(?:slack|discord|e-?mails?|mail|log)\b", text, re.I)
    if done is not None and not done.guessed and (placed or done.block in ("http-request", "send-webhook")):
        return None
    node_id = _one(canvas, text, agents)
    if match.group(2):
        return _set(
            canvas,
            node_id,
            {"prompt": words.quoted(match.group(2)) or match.group(2)},
            f"I change the prompt of `{node_id}`",
        )
    wish = words.sentence(match.group(1).strip(" ."))
    prompt = f"{str(canvas.payload(node_id).get('prompt', '')).rstrip(' .')}. {wish}.".lstrip(". ")
    return _set(canvas, node_id, {"prompt": prompt}, f"I tell the agent in `{node_id}`: {wish}")


def labelled(text: str, canvas: Canvas, said: Talk) -> Change | None:
    add, drop, found = _LABEL_ADD.match(text), _LABEL_DROP.match(text), canvas.of("classify")
    drop = drop or (
        _LABEL_GONE.search(text) if re.search(r"\b(?:not|no|remove|delete|drop|without)\b", text, re.I) else None
    )
    if not found or not (add or drop):
        return None
    node_id = _one(canvas, text, found)
    labels = [str(each) for each in canvas.payload(node_id).get("labels") or []]
    match = add or drop
    assert match is not None
    named = words.listed(next(group for group in match.groups() if group))
    new = (
        [*labels, *(each for each in named if each not in labels)]
        if add
        else [each for each in labels if each not in named]
    )
    return _set(canvas, node_id, {"labels": new}, f"The categories of `{node_id}` are now {words.joined(new)}")


def threshold(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """Another number, or another direction, for a condition that is there."""
    checks = canvas.of("if", "filter")
    if not checks or (ADD.search(text) and not re.search(r"\binstead\b", text, re.I)):
        return None
    if words.emails(text) or words.channel(text) or words.url(text):
        return None
    text = amounts.digits(text)
    compared, plain = _COMPARED.search(text), _LIMIT.search(text)
    about = text[: compared.start()] if compared else text
    said_so = _VERB.sub("", compared.group()) if compared else ""
    test = conditions.find(f"it is {said_so}") if compared else None
    if (not test and not plain) or (test and memory.remembers(test.conditions[0])):
        return None
    node_id = _one(canvas, text, checks)
    old = [dict(each) for each in canvas.payload(node_id).get("conditions") or [] if isinstance(each, dict)]
    if not old:
        return None
    if plain and not compared and isinstance(old[0].get("right"), str):
        return None
    if isinstance(old[0].get("right"), bool | str) and len(old) == 1 and not _mentions(old[0], about):
        return None
    named = [at for at, each in enumerate(old) if _mentions(each, about)]
    if (
        compared
        and not named
        and not re.search(r"\b(?:it|that|condition|threshold|only|already|limit)\b", about or "it", re.I)
    ):
        return None
    at = named[0] if named else 0
    old[at] = _compare(old[at], test.conditions[0] if test else None, plain)
    return _set(
        canvas,
        node_id,
        {"conditions": old},
        f"I change the condition: {speak.conditions({**canvas.payload(node_id), 'conditions': old})}",
    )


def _mentions(condition: dict[str, Any], text: str) -> bool:
    name = str(condition.get("left", condition.get("field", ""))).strip("{}").split(".")[-1].replace("_", " ")
    return bool(name) and re.search(rf"\b{re.escape(name)}\b", text, re.I) is not None


def _compare(old: dict[str, Any], new: Condition | None, plain: re.Match[str] | None) -> dict[str, Any]:
    number = new.right if new else words.number(plain.group(1)) if plain else None
    return {**old, "right": number, **({"op": new.op} if new else {})}


def _one(canvas: Canvas, text: str, targets: list[str]) -> str:
    """The step of some that a text means; the last when it names none."""
    meant = canvas.meant(text, targets)
    return meant if meant in targets else targets[-1]


def _set(canvas: Canvas, node_id: str, payload: dict[str, Any], intro: str) -> Change:
    return Change(Plan([Edit("update_node", {"nodeId": node_id, "payload": payload})]), f"{intro}.")
