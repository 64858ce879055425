"""From a request to edits of the workflow: ids, order, branches, and the wiring of each payload to what came before.

Invariant: a step refers to its ancestors only, and a field nobody can know stays out of the payload, where validation
finds it. Callers: ``dialogue``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from caddie.models.offline import answering, contents, language, memory, moments, operands, sequence, words
from caddie.models.offline.naming import node_name, singular, test_name
from caddie.models.offline.request import Action, Branch, Loop, Request, Step, Test, Trigger
from caddie.models.offline.scope import HTTP_STATUS, MATCHES, PRIMARY, Scope, Source, clean, sends
from caddie.models.offline.wiring import fill

_SENDERS = ("slack-send-message", "discord-send-message", "send-email", "reply_chat")
_DIGEST = re.compile(
    r"\b(?:summary|digest|recap|overview|briefing|roundup|round-up|run-?down|highlights|bullet\s+points|"
    r"key\s+points|short\s+version)\b",
    re.I,
)


_OPS = {
    "add_node": "add_node", "update_node": "update_node", "remove_node": "remove_node", "connect_nodes": "connect",
    "disconnect_nodes": "disconnect", "set_variables": "set_variables",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Edit:
    """One step of the work: a change of the workflow, or another tool's call."""

    tool: str
    args: dict[str, Any]

    def call(self) -> tuple[str, dict[str, Any]]:
        """Tool and arguments. A change is a call of its own, so that nodes appear one after the other."""
        op = _OPS.get(self.tool)
        return ("edit_workflow", {"changes": [{"op": op, **self.args}]}) if op else (self.tool, dict(self.args))


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
        self._wait = ""
        self._clock = ""
        self._dates: dict[moments.Moment, str] = {}
        self.plan = Plan()

    def build(self, request: Request) -> Plan:
        """A whole workflow, from its trigger on."""
        trigger = request.trigger or Trigger("trigger_chat" if _chats(request) else "manual")
        self._taken.add("root")
        if trigger.note:
            self.plan.assumptions.append(trigger.note)
        self.plan.edits.append(Edit("add_node", {"nodeId": "root", "type": trigger.block, "payload": trigger.payload}))
        scope = Scope()
        if trigger.block in PRIMARY:
            path, kind = PRIMARY[trigger.block]
            scope = scope.add(
                Source(f"root.{path}", kind, "the message" if kind == "text" else "the data", trigger.block)
            )
        steps = sequence.answered(sequence.closed(request.steps)) if trigger.block == "trigger_chat" else request.steps
        self._clock = "{{root.result.firedAt}}" if trigger.block == "cronjob" else ""
        self.steps(steps, self._dated(steps, Place(("root",))), scope)
        return self._finished()

    def extend(self, steps: list[Step], place: Place, scope: Scope) -> Plan:
        """More steps in an existing workflow."""
        self.steps(steps, self._dated(steps, place), scope)
        return self._finished()

    def _dated(self, steps: list[Step], place: Place) -> Place:
        """A step for every date that conditions compare with: it is worked out once, in front."""
        for moment in sequence.moments_of(steps):
            if moment in self._dates:
                continue
            node_id = self._id(words.slug(f"date {moment.told}"))
            self._add(node_id, "agent", {"prompt": moment.prompt(self._clock)}, place)
            self._dates[moment] = "{{" + node_id + ".result.text}}"
            place = replace(place, after=(node_id,), branch=None)
        return place

    def _finished(self) -> Plan:
        if self.plan.variables:
            self.plan.edits.insert(0, Edit("set_variables", {"variables": self.plan.variables}))
        return self.plan

    def steps(self, steps: list[Step], place: Place, scope: Scope) -> None:
        before = place, scope
        last: Step | None = None
        for step in steps:
            match step:
                case Action() if step.always:
                    self._action(step, *before)
                case Action():
                    place, scope = self._action(step, place, scope)
                    before = place, scope
                case Branch() if isinstance(last, Branch) and not step.waits:
                    # Conditions told one after the other are asked side by side.
                    place, scope = self._branch(step, *before)
                case Branch():
                    place, scope = self._branch(step, place, scope)
                case Loop():
                    place, scope = self._loop(step, place, scope)
                    before = place, scope
            last = step

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
        node_id = self._id(node_name(action))
        self._add(node_id, action.block, self._payload(action, scope), place)
        if action.block in PRIMARY and action.topic not in memory.TOPICS:
            path, kind = PRIMARY[action.block]
            path, kind = (path, kind) if not action.topic.startswith("number of ") else ("result.count", "data")
            sent = sends(action.block, action.payload)
            if action.block == "set-variable" and (action.members or action.payload.get("operation")):
                kind = "value"
            if action.block == "regex":
                path, kind = MATCHES.get(str(action.payload.get("mode", "first")), (path, kind))
            schema = action.payload.get("schema")
            fields = tuple(schema.get("properties") or {}) if isinstance(schema, dict) else ()
            if action.block in ("agent", "set-variable"):
                fields = contents.nouns(str(action.payload.get("prompt") or action.payload.get("name")))
            scope = scope.add(Source(f"{node_id}.{path}", kind, action.topic, action.block, sent, fields))
        elif action.block == "human_confirmation":
            scope = scope.add(Source(f"{node_id}.result", "approval", "", action.block))
        if action.block == "wait":
            self._wait = node_id
        return Place((node_id,), "resumed" if action.block == "wait" else None, place.loop), scope

    def _prepare(self, action: Action, place: Place, scope: Scope) -> tuple[Place, Scope]:
        """A step in front when this one has nothing to work with: sum up, think of an answer."""
        sums_up = action.block in _SENDERS and _DIGEST.search(action.clause)
        if sums_up and not action.said and not scope.of("summarize") and scope.nearest("data", "list", "text"):
            how = language.manner(action.clause)
            return self._action(Action("summarize", {"instructions": how} if how else {}), place, scope)
        if (thought := answering.asked(action, scope) or answering.answer(action, scope)) is not None:
            return self._action(thought, place, scope)
        return place, scope

    def _payload(self, action: Action, scope: Scope) -> dict[str, Any]:
        payload = dict(action.payload)
        if self._dates and payload.get("conditions"):
            payload["conditions"] = [
                {**each, "right": self._dates.get(each["right"], each["right"])} if "right" in each else each
                for each in payload["conditions"]
            ]
        for name, value in fill(action, scope).items():
            if value not in (None, ""):
                payload.setdefault(name, value)
        if action.block == "send-email" and action.members and "{{" in str(payload.get("to", "")):
            self.plan.assumptions.append(f"I take the address from the field {action.members[0]} of what comes in")
        if "{" in str(payload.get("url", "")) and "{{" not in str(payload["url"]):
            payload["url"] = contents.placed(str(payload["url"]), scope.sources)
        if action.block == "set-variable":
            operation = payload.get("operation", "set")
            kind = "number" if operation == "increment" or action.topic == memory.NUMBER else "text"
            kind = "list" if operation == "append" else kind
            default: Any = {"number": 0, "list": []}.get(kind, "")
            name = str(payload.setdefault("name", "value"))
            if name not in self._declared():
                self.plan.variables.append({"name": name, "type": kind, "lifetime": "persist", "default": default})
        return payload

    def _declared(self) -> set[str]:
        return {str(each["name"]) for each in self.plan.variables}

    def _branch(self, branch: Branch, place: Place, scope: Scope) -> tuple[Place, Scope]:
        if branch.waits and self._wait:
            for name, steps in (("resumed", branch.then), ("timed_out", branch.otherwise)):
                self.steps(steps, Place((self._wait,), name, place.loop), scope)
            return Place((self._wait,), "resumed", place.loop), scope
        if not branch.test.conditions:
            self.steps([*branch.then, *branch.otherwise], place, scope)
            return place, scope
        place, scope, test = self._subject(branch.test, place, scope)
        node_id = self._id(test_name(test))
        test = replace(
            test,
            conditions=tuple(
                replace(each, right=self._dates[each.right]) if isinstance(each.right, moments.Moment) else each
                for each in test.conditions
            ),
        )
        known, assumed = self._declared(), self.plan.assumptions
        conditions = [operands.compared(condition, scope, known, assumed) for condition in test.conditions]
        payload: dict[str, Any] = {"conditions": conditions}
        if len(conditions) > 1:
            payload["match"] = test.match
        self._add(node_id, "if", payload, place)
        subject = clean(next((c.subject for c in test.conditions if c.subject and c.op != "changed"), ""))
        coded = subject.lower() == "status" and str(conditions[0]["left"]).endswith(".result.status}}")
        judged = any(str(each["left"]).endswith(".result.label}}") for each in conditions)
        inner = replace(scope, subject=HTTP_STATUS if coded else subject, judged=scope.judged or judged)
        noted, either = memory.notes(conditions, test)
        for name, steps in (("then", [*noted, *branch.then]), ("else", [*either, *branch.otherwise])):
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
        if operands.OBJECTS.search(said) and scope.of("classify") is None and scope.nearest("text") is not None:
            values = [str(condition.right) for condition in test.conditions if isinstance(condition.right, str)]
            labels = (
                ["positive", "neutral", "negative"] if re.search(r"sentiment|mood", said, re.I) else [*values, "other"]
            )
            if len(labels) > 1:
                place, scope = self._action(Action("classify", {"labels": labels}, topic=clean(said)), place, scope)
        return place, scope, test

    def _loop(self, loop: Loop, place: Place, scope: Scope) -> tuple[Place, Scope]:
        source = scope.nearest("list", "data", "item") or scope.nearest()
        node_id = self._id(f"for_each_{words.slug(singular(loop.items)) or 'item'}")
        payload: dict[str, Any] = {"items": source.expression() if source else "{{root.result.items}}"}
        if source and loop.rows and source.kind in ("data", "item"):
            payload = {"items": source.member(loop.rows)}
        elif source is None or source.kind not in ("list", "item"):
            place_said = source.expression() if source else "{{root.result.items}}"
            self.plan.assumptions.append(f"I take {place_said} to be the list of {loop.items}")
        if loop.most:
            payload["maxIterations"] = loop.most
        self._add(node_id, "for-each", payload, place)
        inner = scope.add(Source("$item", "item", singular(loop.items), "for-each"))
        self.steps(loop.body, Place((node_id,), loop=node_id), inner)
        return Place((node_id,), loop=place.loop), scope.add(
            Source(f"{node_id}.result.items", "list", loop.items, "for-each")
        )


def _chats(request: Request) -> bool:
    return any(
        action.block == "reply_chat" or re.search(r"\bchat\b", action.clause, re.I) for action in request.actions()
    )
