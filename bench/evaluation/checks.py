"""The checks of the evaluation: each a name, an argument from the case, and what is wrong, if anything.

Invariant: a check looks at the graph, the questions and the reported issues; of the words it looks for names and
figures only. A step is named by its id, by its block, or by several blocks with `|`. Callers: ``__main__``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from bench.evaluation.conversation import Outcome
from bench.evaluation.recurrence import same
from shared.expressions import ExpressionError, references


def faults(outcome: Outcome, checks: tuple[dict[str, Any], ...]) -> list[str]:
    """What is wrong with the outcome; no error of validation is allowed, whatever the case checks."""
    found = [f"error: {issue.nodeId} {issue.message}" for issue in outcome.issues if issue.severity == "error"]
    if any("errors" in check for check in checks):
        found = []
    if outcome.finished.outcome == "limit":
        found.append("the turn ran into its limit")
    for check in checks:
        for name, argument in check.items():
            fault = CHECKS[name](Graph(outcome), argument)
            if fault:
                found.append(f"{name}: {fault}")
    return found


class Graph:
    """The outcome with questions about its graph."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.nodes: dict[str, dict[str, Any]] = outcome.after.get("nodes") or {}

    def find(self, name: str) -> list[str]:
        wanted = name.split("|")
        return [key for key, node in self.nodes.items() if key in wanted or node.get("type") in wanted]

    def type(self, node_id: str) -> str:
        return str(self.nodes[node_id].get("type"))

    def payload(self, node_id: str) -> dict[str, Any]:
        return dict(self.nodes[node_id].get("payload") or {})

    def next(self, node_id: str) -> list[str]:
        node = self.nodes.get(node_id) or {}
        return [*(node.get("loopBody") or []), *(node.get("children") or [])]

    def parents(self, node_id: str) -> list[str]:
        return [key for key in self.nodes if node_id in self.next(key)]

    def before(self, node_id: str) -> list[str]:
        """Ancestors, nearest first."""
        found: list[str] = []
        queue = self.parents(node_id)
        for each in queue:
            if each not in found:
                found.append(each)
                queue.extend(self.parents(each))
        return found

    def after(self, node_id: str) -> list[str]:
        found: list[str] = []
        queue = self.next(node_id)
        for each in queue:
            if each not in found:
                found.append(each)
                queue.extend(self.next(each))
        return found

    def branches(self, node_id: str) -> list[str]:
        """The branches the step lies on, its own first."""
        chain = [node_id, *self.before(node_id)]
        return [str(self.nodes[each]["branch"]) for each in chain if self.nodes[each].get("branch")]


def _blocks(graph: Graph, wanted: list[str]) -> str | None:
    """Exactly these blocks, in any order."""
    got = Counter(graph.type(each) for each in graph.nodes)
    left = list(wanted)
    for block in list(got.elements()):
        match = next((each for each in left if block in each.split("|")), None)
        if match is None:
            return f"expected {', '.join(wanted)}; got {', '.join(got.elements())}"
        left.remove(match)
    return f"expected {', '.join(wanted)}; got {', '.join(got.elements())}" if left else None


def _path(graph: Graph, wanted: list[str]) -> str | None:
    """One way through the graph passes these steps in this order."""
    heads = graph.find(wanted[0])
    for name in wanted[1:]:
        heads = [each for each in graph.find(name) if any(each in graph.after(head) for head in heads)]
        if not heads:
            return f"expected {' → '.join(wanted)}; got no {name} there"
    return None if heads else f"expected a {wanted[0]}, got none"


def _has(graph: Graph, wanted: list[str]) -> str | None:
    missing = [each for each in wanted if not graph.find(each)]
    return f"expected {', '.join(missing)}; got {', '.join(map(graph.type, graph.nodes))}" if missing else None


def _lacks(graph: Graph, unwanted: list[str]) -> str | None:
    found = [each for each in unwanted if graph.find(each)]
    return f"expected none of {', '.join(found)}" if found else None


def _count(graph: Graph, wanted: dict[str, int]) -> str | None:
    got = {name: len(graph.find(name)) for name in wanted}
    return None if got == wanted else f"expected {wanted}, got {got}"


def _value(payload: Any, path: str) -> Any:
    for part in path.split("."):
        if isinstance(payload, dict):
            payload = payload.get(part)
        elif isinstance(payload, list) and part.isdigit() and int(part) < len(payload):
            payload = payload[int(part)]
        else:
            return None
    return payload


def _same(got: Any, wanted: Any) -> bool:
    if isinstance(wanted, bool) or isinstance(got, bool):
        return got is wanted
    if isinstance(wanted, int | float):
        try:
            return float(got) == float(wanted)
        except (TypeError, ValueError):
            return False
    if isinstance(wanted, str) and isinstance(got, str):
        return got.strip(" .").lower() == wanted.strip(" .").lower()
    if isinstance(wanted, list) and isinstance(got, list):
        return sorted(str(each).lower() for each in got) == sorted(str(each).lower() for each in wanted)
    return bool(got == wanted)


def _payload(graph: Graph, wanted: dict[str, Any]) -> str | None:
    """{step, field, is | has | lacks | absent}: of one of these steps the field is so."""
    field = wanted["field"]
    got = [_value(graph.payload(each), field) for each in graph.find(wanted["step"])]
    if "is" in wanted:
        options = wanted["is"] if isinstance(wanted["is"], list) and wanted.get("any") else [wanted["is"]]
        good = any(_same(value, option) for value in got for option in options)
    elif "has" in wanted:
        parts = wanted["has"] if isinstance(wanted["has"], list) else [wanted["has"]]
        good = any(all(str(part).lower() in str(value).lower() for part in parts) for value in got if value is not None)
    elif "lacks" in wanted:
        good = bool(got) and all(str(wanted["lacks"]).lower() not in str(value).lower() for value in got)
    else:
        good = bool(got) and all(value in (None, "", []) for value in got)
    return None if good else f"expected {wanted}, got {got}"


def _schedule(graph: Graph, wanted: str | list[str]) -> str | None:
    """The rule of the schedule; a list holds equally good ones."""
    rules = [wanted] if isinstance(wanted, str) else wanted
    got = [graph.payload(each) for each in graph.find("cronjob")]
    good = any(same(str(p.get("rrule", "")), str(p.get("cron", "")), rule) for p in got for rule in rules)
    return None if good else f"expected {wanted}, got {got}"


def _zone(graph: Graph, wanted: str) -> str | None:
    got = [graph.payload(each).get("timezone") for each in graph.find("cronjob")]
    return None if wanted in got else f"expected {wanted}, got {got}"


def _conditions(graph: Graph) -> Iterator[tuple[str, dict[str, Any]]]:
    for each in graph.find("if|filter"):
        for condition in graph.payload(each).get("conditions") or []:
            if isinstance(condition, dict):
                yield each, condition


def _condition(graph: Graph, wanted: dict[str, Any]) -> str | None:
    """{about?, op, right?, in?}: a condition on something called so; op may be a list."""
    operators = wanted["op"] if isinstance(wanted["op"], list) else [wanted["op"]]
    for step, condition in _conditions(graph):
        left = str(condition.get("left", condition.get("field", ""))).lower()
        about = str(wanted.get("about", "")).lower()
        if about and not any(name in left for name in about.split("|")):
            continue
        if "in" in wanted and graph.type(step) != wanted["in"]:
            continue
        if condition.get("op") in operators and ("right" not in wanted or _right(condition, wanted["right"])):
            return None
    return f"expected {wanted}, got {[condition for _, condition in _conditions(graph)]}"


def _right(condition: dict[str, Any], wanted: Any) -> bool:
    options = wanted if isinstance(wanted, list) else [wanted]
    return any(_same(condition.get("right"), option) for option in options)


def _branch(graph: Graph, wanted: dict[str, str]) -> str | None:
    """{step: branch}: a step of this name lies on the branch, its own or an inherited one; none: on no branch."""
    for name, branch in wanted.items():
        lies = [graph.branches(each) for each in graph.find(name)]
        if branch == "none":
            good = any(not each for each in lies)
        else:
            good = any(branch in each for each in lies)
        if not good:
            return f"expected {name} on {branch}, got {lies}"
    return None


def _reads(graph: Graph, wanted: dict[str, str]) -> str | None:
    """{step: source}: a step of this name refers to the source, a step before it, `root`, $item or $vars.x."""
    for name, source in wanted.items():
        got = [reference for each in graph.find(name) for reference in _references(graph, each)]
        if not any(_refers(graph, reference, source) for reference in got):
            return f"expected {name} to read {source}, got {', '.join(got) or 'nothing'}"
    return None


def _references(graph: Graph, node_id: str) -> list[str]:
    try:
        return [str(reference) for reference in references(graph.payload(node_id))]
    except ExpressionError:
        return []


def _refers(graph: Graph, reference: str, source: str) -> bool:
    name, _, field = source.partition(" ")
    if field and field.lower() not in reference.lower():
        return False
    if name.startswith("$"):
        return reference == name or reference.startswith(f"{name}.")
    head = reference.removeprefix("$nodes.").split(".")[0].replace("$trigger", "root")
    return head in graph.find(name) or head == name


def _inside(graph: Graph, wanted: dict[str, str]) -> str | None:
    """{step: loop}: a step of this name belongs to the body of the loop."""
    for name, loop in wanted.items():
        starts = [body for each in graph.find(loop) for body in graph.nodes[each].get("loopBody") or []]
        bodies = {*starts, *(each for start in starts for each in graph.after(start))}
        if not any(each in bodies for each in graph.find(name)):
            return f"expected {name} in the body of {loop}, got {sorted(bodies)}"
    return None


def _kept(graph: Graph, wanted: list[str]) -> str | None:
    """Type and payload of these nodes are what they were; `*` with `!id`: of all but those."""
    before = graph.outcome.before.get("nodes") or {}
    spared = {each[1:] for each in wanted if each.startswith("!")}
    names = [each for each in before if each not in spared] if "*" in wanted else wanted
    for name in names:
        old, new = before.get(name) or {}, graph.nodes.get(name) or {}
        if any((old.get(part) or {}) != (new.get(part) or {}) for part in ("type", "payload")):
            return f"expected {name} as it was, got {new or 'nothing'}"
    return None


def _unchanged(graph: Graph, wanted: bool) -> str | None:
    same_graph = graph.nodes == (graph.outcome.before.get("nodes") or {})
    return None if same_graph is wanted else f"expected the workflow {'un' if wanted else ''}changed, got the opposite"


def _incomplete(graph: Graph, wanted: list[str]) -> str | None:
    """`step.field` of each thing left for the user."""
    open_ = [(issue.nodeId or "", (issue.field or "").removeprefix("payload.")) for issue in graph.outcome.issues
             if issue.severity == "incomplete"]  # fmt: skip
    for each in wanted:
        step, _, field = each.partition(".")
        if not any(node in graph.find(step) and name.split(".")[0] == field for node, name in open_):
            return f"expected {each}, got {open_}"
    return None


def _complete(graph: Graph, wanted: bool) -> str | None:
    """Nothing but accounts is left for the user."""
    left = [f"{issue.nodeId}.{issue.field}" for issue in graph.outcome.issues
            if issue.severity == "incomplete" and issue.field != "connector"]  # fmt: skip
    return None if bool(left) is not wanted else f"expected {'nothing' if wanted else 'something'} left, got {left}"


def _asks(graph: Graph, wanted: str) -> str | None:
    """A question was put that fits the pattern."""
    got = graph.outcome.question
    return None if got and re.search(wanted, got, re.I) else f"expected a question on {wanted}, got {got or 'none'}"


def _says(graph: Graph, wanted: str | list[str]) -> str | None:
    """The text holds every pattern."""
    patterns = [wanted] if isinstance(wanted, str) else wanted
    missing = [each for each in patterns if not re.search(each, graph.outcome.text, re.I)]
    return f"expected {', '.join(missing)} in {graph.outcome.text!r:.300}" if missing else None


def _silent(graph: Graph, unwanted: list[str]) -> str | None:
    found = [each for each in unwanted if re.search(each, graph.outcome.text, re.I)]
    return f"expected no {', '.join(found)} in {graph.outcome.text!r:.300}" if found else None


def _variable(graph: Graph, wanted: dict[str, Any]) -> str | None:
    """{name?, type?, lifetime?}: such a variable is declared."""
    declared = graph.outcome.after.get("variableDefs") or []
    good = any(all(each.get(name) == value for name, value in wanted.items()) for each in declared)
    return None if good else f"expected {wanted}, got {declared}"


def _waiting(graph: Graph, wanted: bool) -> str | None:
    got = graph.outcome.finished.outcome
    return None if (got == "waiting") is wanted else f"expected the turn {'' if wanted else 'not '}to ask, got {got}"


def _named(graph: Graph, wanted: dict[str, str]) -> str | None:
    """{step: pattern}: its id or title fits."""
    for name, pattern in wanted.items():
        told = [f"{each} {graph.nodes[each].get('titleOverride') or ''}" for each in graph.find(name)]
        if not any(re.search(pattern, each, re.I) for each in told):
            return f"expected {name} to be called {pattern}, got {told}"
    return None


def _errors(graph: Graph, wanted: bool) -> str | None:
    got = [issue.message for issue in graph.outcome.issues if issue.severity == "error"]
    return None if bool(got) is wanted else f"expected {'some' if wanted else 'no'} errors, got {got}"


def _any(graph: Graph, wanted: list[dict[str, Any]]) -> str | None:
    """One of these checks holds."""
    told = [CHECKS[name](graph, argument) for each in wanted for name, argument in each.items()]
    return None if not all(told) else " | ".join(str(each) for each in told)


CHECKS: dict[str, Callable[[Graph, Any], str | None]] = {
    "blocks": _blocks, "path": _path, "has": _has, "lacks": _lacks, "count": _count, "payload": _payload,
    "schedule": _schedule, "zone": _zone, "condition": _condition, "branch": _branch, "reads": _reads,
    "inside": _inside, "kept": _kept, "unchanged": _unchanged, "incomplete": _incomplete, "complete": _complete,
    "asks": _asks, "says": _says, "silent": _silent, "variable": _variable, "waiting": _waiting, "named": _named,
    "errors": _errors, "any": _any,
}  # fmt: skip
