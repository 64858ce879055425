"""What a condition told in words looks at: a field, a label, a counter, the status of a call.

Invariant: what is not said is an assumption, and told. Callers: ``plan``.
"""

from __future__ import annotations

import re
from typing import Any

from caddie.models.offline import memory, words
from caddie.models.offline.request import Condition
from caddie.models.offline.scope import Scope, clean

#: What only a judgement of a text can tell.
OBJECTS = re.compile(r"\b(?:sentiment|mood|category|label|class|topic|priority|urgency|intent)\b", re.I)


def compared(condition: Condition, scope: Scope, declared: set[str], assumptions: list[str]) -> dict[str, Any]:
    """The condition as the `if` block holds it. declared: the variables there are."""
    if memory.remembers(condition):
        return memory.compared(condition, _left(memory.plain(condition), scope, declared, assumptions))
    made: dict[str, Any] = {"left": _left(condition, scope, declared, assumptions), "op": condition.op}
    if str(made["left"]).endswith(".count}}") and condition.op in ("empty", "exists"):
        return {**made, "op": "eq" if condition.op == "empty" else "gt", "right": 0}
    if condition.right is not None:
        made["right"] = condition.right
    return made


def _left(condition: Condition, scope: Scope, declared: set[str], assumptions: list[str]) -> str:
    subject = clean(condition.subject)
    approval = scope.of("human_confirmation")
    if subject == "approved" and approval:
        return approval.member("approved")
    counter = scope.of("set-variable")
    if counter and (
        not subject
        or re.search(r"\b(?:counter|count|number|total|sum|tally)\b", subject, re.I)
        or words.slug(subject) in declared
    ):
        return counter.expression()
    label = scope.nearest("label")
    if label and (
        OBJECTS.search(subject) or not subject or (isinstance(condition.right, str) and not scope.nearest("data"))
    ):
        return label.expression()
    http = scope.of("http-request", "send-webhook")
    code = isinstance(condition.right, int) and 100 <= condition.right <= 599 and condition.op in ("eq", "neq")
    if http and code and not subject and re.search(r"return|answer|respond", condition.said, re.I):
        return "{{" + http.path.removesuffix(".body") + ".status}}"
    if http and _coded(condition, subject):
        return "{{" + http.path.removesuffix(".body") + ".status}}"
    text = scope.nearest("text")
    numbered = re.match(r"number\s+of\s+(.+)$", subject, re.I)
    if numbered and (rows := scope.nearest("list")) and rows.block in ("filter", "pluck"):
        return "{{" + rows.path.rsplit(".", 1)[0] + ".count}}"
    counted = scope.of("filter")
    if counted and counted.path.endswith(".count") and (numbered or not subject or subject == "results"):
        return counted.expression()
    vague = not subject or re.fullmatch(
        r"(?:(?:chat|user|customer|incoming)(?:'s)?\s+)?(?:message|text|input|it|answer|response|"
        r"content|body|result|results|list|data|page|summary|question|"
        r"email)s?(?:\s+text)?",
        subject,
        re.I,
    )
    if scope.nearest("item", "data") and (
        re.fullmatch(r"e-?mail", subject, re.I) and condition.op in ("empty", "exists", "ends_with", "eq")
    ):
        vague = None
    if (
        vague
        and scope.subject
        and scope.subject != "approved"
        and isinstance(condition.right, int | float)
        and not isinstance(condition.right, bool)
    ):
        return _field(scope.subject, scope, assumptions)
    if vague:
        source = (
            text if condition.op in ("contains", "not_contains", "starts_with", "ends_with", "matches") else None
        ) or scope.nearest()
        return source.expression() if source else "{{root.result}}"
    return _field(subject, scope, assumptions)


def _coded(condition: Condition, subject: str) -> bool:
    """Whether "the status" is that of the answer over HTTP, and no field of what was fetched."""
    if re.fullmatch(r"(?:http\s+)?(?:status\s+|response\s+)?code|http\s+(?:status|response)|response", subject, re.I):
        return True
    return subject.lower() == "status" and isinstance(condition.right, int) and 100 <= condition.right <= 599


def _field(subject: str, scope: Scope, assumptions: list[str]) -> str:
    """A field named in words. Where it stands in the data is an assumption, and told."""
    source = scope.nearest("item", "data")
    name = words.field_name(re.sub(r"\s+(?:of|in|from)\s+(?:it|them|the\s+\w+)$", "", subject, flags=re.I))
    if source is None:
        assumptions.append(f"I read “{subject}” from the field `{name}` of what starts the workflow")
        return "{{root.result." + name + "}}"
    assumptions.append(f"I read “{subject}” from the field `{name}` of {source.expression()}")
    return source.member(name)
