"""From a request to edits of the workflow: ids, order, branches, and the wiring of each payload to what came before.

Invariant: a step refers to its ancestors only, and a field nobody can know stays out of the payload, where validation
finds it. Callers: ``dialogue``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from caddie.models.offline import words
from caddie.models.offline.request import Action, Branch, Condition, Loop, Request, Step, Test, Trigger
from caddie.models.offline.wiring import PRIMARY, Scope, Source, clean, fill

_NAMES = {
    "slack-send-message": "post_to_slack",
    "discord-send-message": "post_to_discord",
    "send-email": "send_email",
    "web-search": "search_web",
    "reply_chat": "reply",
    "human_confirmation": "ask_approval",
    "extract-json": "extract",
    "send-webhook": "send_data",
    "trigger-workflow": "run_workflow",
    "set-variable": "set_variable",
    "agent": "ai_agent",
    "log": "log",
    "delay": "wait",
}
_SENDERS = ("slack-send-message", "discord-send-message", "send-email", "reply_chat")
_OBJECTS = re.compile(r"\b(?:sentiment|mood|category|label|class|topic|priority|urgency|intent)\b", re.I)


@dataclass(frozen=True, slots=True)
class Edit:
    """One tool call to come."""

    tool: str
    args: dict[str, Any]


@dataclass(slots=True)
class Plan:
    edits: list[Edit] = field(default_factory=list)
    #: What was taken for granted and the user should check.
    assumptions: list[str] = field(default_factory=list)
    variables: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the next node goes."""

    after: tuple[str, ...]
    branch: str | None = None
    loop: str | None = None


class Planner:
    """Makes the edits of one request. taken: ids that exist already."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self.plan = Plan()

    def build(self, request: Request) -> Plan:
        """A whole workflow, from its trigger on."""
        trigger = request.trigger or Trigger("trigger_chat" if _chats(request) else "manual")
        self._taken.add("root")
        self.plan.edits.append(Edit("add_node", {"nodeId": "root", "type": trigger.block, "payload": trigger.payload}))
        scope = Scope()
        if trigger.block in PRIMARY:
            path, kind = PRIMARY[trigger.block]
            scope = scope.add(
                Source(f"root.{path}", kind, "the message" if kind == "text" else "the data", trigger.block)
            )
        steps = _closed(request.steps) if trigger.block == "trigger_chat" else request.steps
        self.steps(steps, Place(("root",)), scope)
        return self._finished()

    def extend(self, steps: list[Step], place: Place, scope: Scope) -> Plan:
        """More steps in an existing workflow."""
        self.steps(steps, place, scope)
        return self._finished()

    def _finished(self) -> Plan:
        if self.plan.variables:
            self.plan.edits.insert(0, Edit("set_variables", {"variables": self.plan.variables}))
        return self.plan

    def steps(self, steps: list[Step], place: Place, scope: Scope) -> None:
        for step in steps:
            match step:
                case Action():
                    place, scope = self._action(step, place, scope)
                case Branch():
                    place, scope = self._branch(step, place, scope)
                case Loop():
                    place, scope = self._loop(step, place, scope)

    def _id(self, wanted: str) -> str:
        stem = wanted[:56] or "step"
        name = next(n for i in range(1, 1000) if (n := stem if i == 1 else f"{stem}_{i}") not in self._taken)
        self._taken.add(name)
        return name

    def _add(self, node_id: str, block: str, payload: dict[str, Any], place: Place) -> None:
        args: dict[str, Any] = {"nodeId": node_id, "type": block, "payload": payload, "after": list(place.after)}
        if place.branch:
            args["branch"] = place.branch
        if place.loop:
            args["inLoop"] = place.loop
            if place.after == (place.loop,):
                args.pop("after")
        self.plan.edits.append(Edit("add_node", args))

    def _action(self, action: Action, place: Place, scope: Scope) -> tuple[Place, Scope]:
        place, scope = self._prepare(action, place, scope)
        node_id = self._id(_node_name(action))
        self._add(node_id, action.block, self._payload(action, scope), place)
        if action.block in PRIMARY:
            path, kind = PRIMARY[action.block]
            scope = scope.add(Source(f"{node_id}.{path}", kind, action.topic, action.block))
        elif action.block == "human_confirmation":
            scope = scope.add(Source(f"{node_id}.result", "approval", "", action.block))
        return Place((node_id,), loop=place.loop), scope

    def _prepare(self, action: Action, place: Place, scope: Scope) -> tuple[Place, Scope]:
        """A step in front when this one has nothing to work with: fetch an address, think of an answer."""
        address = words.url(action.clause)
        if (
            address
            and action.block not in ("http-request", "send-webhook", "web-search")
            and address not in (action.said or "")
        ):
            fetch = Action("http-request", {"method": "GET", "url": address}, topic=words.slug(address.split("//")[-1]))
            place, scope = self._action(fetch, place, scope)
        sums_up = action.block in _SENDERS and re.search(r"\b(?:summary|digest|recap)\b", action.clause, re.I)
        if sums_up and not action.said and not scope.of("summarize") and scope.nearest("data", "list", "text"):
            return self._action(Action("summarize"), place, scope)
        if (
            action.block == "reply_chat"
            and not action.said
            and not scope.of("agent", "summarize", "format", "web-search")
        ):
            told = re.sub(
                r"^(?:reply|answer|respond)\s*(?:to\s+)?(?:it|them|him|her|the\s+\w+)?\s*", "", action.topic, flags=re.I
            )
            about = re.match(r"(?:\w+\s+)?questions?\b", told, re.I)
            how = f"{f'Answer {told}' if about else f'Answer the message {told}'}".strip(" .") + "."
            return self._action(Action("agent", {"prompt": how}, topic="answer"), place, scope)
        return place, scope

    def _payload(self, action: Action, scope: Scope) -> dict[str, Any]:
        payload = dict(action.payload)
        for name, value in fill(action, scope).items():
            if value not in (None, ""):
                payload.setdefault(name, value)
        if action.block == "set-variable":
            operation = payload.get("operation", "set")
            kind = "number" if operation == "increment" else "text"
            default: Any = 0 if kind == "number" else ""
            self.plan.variables.append(
                {"name": payload["name"], "type": kind, "lifetime": "persist", "default": default}
            )
        return payload

    def _branch(self, branch: Branch, place: Place, scope: Scope) -> tuple[Place, Scope]:
        place, scope, test = self._subject(branch.test, place, scope)
        node_id = self._id(_test_name(test))
        conditions = [self._condition(condition, scope) for condition in test.conditions]
        payload: dict[str, Any] = {"conditions": conditions}
        if len(conditions) > 1:
            payload["match"] = test.match
        self._add(node_id, "if", payload, place)
        subject = next((c.subject for c in test.conditions if c.subject), "")
        inner = replace(scope, subject=clean(subject))
        for name, steps in (("then", branch.then), ("else", branch.otherwise)):
            self.steps(steps, Place((node_id,), name, place.loop), inner)
        return Place((node_id,), "then", place.loop), inner

    def _subject(self, test: Test, place: Place, scope: Scope) -> tuple[Place, Scope, Test]:
        """Fetch the address a condition names, or judge the text it wants judged."""
        said = " ".join(condition.subject for condition in test.conditions)
        if address := words.url(said):
            fetch = Action("http-request", {"method": "GET", "url": address}, topic=words.slug(address.split("//")[-1]))
            place, scope = self._action(fetch, place, scope)
            kept = tuple(
                replace(c, subject=re.split(r"\s+(?:at|from|on|of)\s+https?:", c.subject)[0]) for c in test.conditions
            )
            return place, scope, replace(test, conditions=kept)
        if _OBJECTS.search(said) and scope.of("classify") is None and scope.nearest("text") is not None:
            values = [str(condition.right) for condition in test.conditions if isinstance(condition.right, str)]
            labels = (
                ["positive", "neutral", "negative"] if re.search(r"sentiment|mood", said, re.I) else [*values, "other"]
            )
            if len(labels) > 1:
                place, scope = self._action(Action("classify", {"labels": labels}, topic=clean(said)), place, scope)
        return place, scope, test

    def _condition(self, condition: Condition, scope: Scope) -> dict[str, Any]:
        made: dict[str, Any] = {"left": self._left(condition, scope), "op": condition.op}
        if condition.right is not None:
            made["right"] = condition.right
        return made

    def _left(self, condition: Condition, scope: Scope) -> str:
        subject = clean(condition.subject)
        approval = scope.of("human_confirmation")
        if subject == "approved" and approval:
            return approval.member("approved")
        label = scope.nearest("label")
        if label and (
            _OBJECTS.search(subject) or not subject or (isinstance(condition.right, str) and not scope.nearest("data"))
        ):
            return label.expression()
        http = scope.of("http-request")
        code = isinstance(condition.right, int) and 100 <= condition.right <= 599 and condition.op in ("eq", "neq")
        if http and code and not subject and "return" in condition.said:
            return "{{" + http.path.removesuffix(".body") + ".status}}"
        if http and re.fullmatch(r"(?:http\s+)?(?:status|response)(?:\s+code)?", subject, re.I):
            return "{{" + http.path.removesuffix(".body") + ".status}}"
        text = scope.nearest("text")
        vague = not subject or re.fullmatch(
            r"(?:message|text|it|answer|response|content|body|result|results|list|data|page|summary|question|email)s?(?:\s+text)?",
            subject,
            re.I,
        )
        if vague:
            source = (
                text if condition.op in ("contains", "not_contains", "starts_with", "ends_with", "matches") else None
            ) or scope.nearest()
            return source.expression() if source else "{{root.result}}"
        return self._field(subject, scope)

    def _field(self, subject: str, scope: Scope) -> str:
        """A field named in words. Where it stands in the data is an assumption, and told."""
        source = scope.nearest("item", "data")
        name = words.field_name(re.sub(r"\s+(?:of|in|from)\s+(?:it|them|the\s+\w+)$", "", subject, flags=re.I))
        if source is None:
            self.plan.assumptions.append(f"I read “{subject}” from the field `{name}` of what starts the workflow")
            return "{{root.result." + name + "}}"
        self.plan.assumptions.append(f"I read “{subject}” from the field `{name}` of {source.expression()}")
        return source.member(name)

    def _loop(self, loop: Loop, place: Place, scope: Scope) -> tuple[Place, Scope]:
        source = scope.nearest("list", "data", "item") or scope.nearest()
        node_id = self._id(f"for_each_{words.slug(_singular(loop.items)) or 'item'}")
        payload = {"items": source.expression() if source else "{{root.result.items}}"}
        if source is None or source.kind not in ("list", "item"):
            place_said = source.expression() if source else "{{root.result.items}}"
            self.plan.assumptions.append(f"I take {place_said} to be the list of {loop.items}")
        self._add(node_id, "for-each", payload, place)
        inner = scope.add(Source("$item", "item", _singular(loop.items), "for-each"))
        self.steps(loop.body, Place((node_id,), loop=node_id), inner)
        return Place((node_id,), loop=place.loop), scope.add(
            Source(f"{node_id}.result.items", "list", loop.items, "for-each")
        )


def _closed(steps: list[Step]) -> list[Step]:
    """In a chat, what an AI agent wrote last is sent back, unless the request says where it goes."""
    closed: list[Step] = []
    for step in steps:
        if isinstance(step, Branch):
            step = Branch(step.test, _closed(step.then), _closed(step.otherwise))
        closed.append(step)
    if closed and isinstance(closed[-1], Action) and closed[-1].block == "agent":
        closed.append(Action("reply_chat", clause="reply", topic="reply"))
    return closed


def _chats(request: Request) -> bool:
    return any(
        action.block == "reply_chat" or re.search(r"\bchat\b", action.clause, re.I) for action in request.actions()
    )


def _singular(noun: str) -> str:
    return re.sub(r"s$", "", re.sub(r"ies$", "y", noun.strip()))


def _node_name(action: Action) -> str:
    topic = words.slug(action.topic, 24)
    match action.block:
        case "http-request":
            return f"fetch_{topic or 'data'}"
        case "summarize" | "classify" | "filter" | "pluck" | "format" | "merge":
            return f"{action.block}_{topic}" if topic and action.block not in ("format", "merge") else action.block
        case "wait":
            return f"wait_for_{topic}" if topic else "wait"
        case block:
            return _NAMES.get(block, words.slug(block))


def _test_name(test: Test) -> str:
    first = test.conditions[0]
    return f"check_{words.slug(clean(first.subject), 24) or words.slug(str(first.right), 24) or 'data'}"
