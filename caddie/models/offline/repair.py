"""Edits that mend what validation reports.

Invariant: mends only what has one obvious remedy; anything else stays reported. Callers: ``dialogue``.
"""

from __future__ import annotations

import difflib
import re
from typing import Any, cast

from caddie.models.offline import operators, schedule, words
from caddie.models.offline.canvas import Canvas
from caddie.models.offline.guess import index
from caddie.models.offline.plan import Edit
from caddie.models.offline.request import Action
from caddie.models.offline.scope import PRIMARY
from caddie.models.offline.wiring import fill

_REFERENCE = re.compile(r"\{\{\s*([A-Za-z0-9_-]+)((?:\.[^{}|]*)?)\s*\}\}")
#: Braces that were left out: "{{a.b}", "{a.b}}", "{{a.b" at the end.
_BRACES = (
    (re.compile(r"\{\{\s*([\w$.\[\]-]+)\s*\}(?!\})"), r"{{\1}}"),
    (re.compile(r"(?<!\{)\{\s*([\w$-]+\.[\w.\[\]-]+)\s*\}\}"), r"{{\1}}"),
    (re.compile(r"\{\{\s*([\w$.\[\]-]+)\s*(?=\s|$)(?![^{]*\}\})"), r"{{\1}}"),
    (re.compile(r"\{\{\s*([\w$-]+)\s+([\w.]+)\s*\}\}"), r"{{\1.\2}}"),
)
_NO = re.compile(r"no|false|else|otherwise|time|late|fail|declin|reject", re.I)


def edits(definition: dict[str, Any], errors: list[dict[str, Any]]) -> list[Edit]:
    """The edits for a list of errors; empty when none of them can be mended."""
    made: dict[str, list[Edit]] = {}
    variables = _variables(definition, errors)
    for error in errors:
        node_id = error.get("nodeId")
        node = (definition.get("nodes") or {}).get(node_id)
        if node_id is None or node is None:
            continue
        found = _mend(definition, str(node_id), node, error)
        if found:
            made.setdefault(f"{node_id} {_top(error)}", found)
    return [*variables, *(edit for each in made.values() for edit in each)]


def wired(definition: dict[str, Any], incomplete: list[dict[str, Any]]) -> list[Edit]:
    """Data fields that are empty, filled with what the steps before bring; what only the user knows stays open."""
    canvas, made = Canvas(definition), []
    for each in incomplete:
        node_id, name = str(each.get("nodeId")), str(each.get("field") or "").removeprefix("payload.")
        if node_id not in canvas.nodes or not (parents := canvas.parents(node_id)):
            continue
        scope = canvas.scope(parents[0])
        block = str(canvas.nodes[node_id].get("type"))
        value = fill(Action(block), scope).get(name)
        if block == "for-each" and name == "items" and (source := scope.nearest("list", "data")):
            value = source.expression()
        if value and "{{" in str(value):
            made.append(Edit("update_node", {"nodeId": node_id, "payload": {name: value}}))
    return made


def _top(error: dict[str, Any]) -> str:
    return ".".join(str(error.get("field") or "").split(".")[:2])


def _mend(definition: dict[str, Any], node_id: str, node: dict[str, Any], error: dict[str, Any]) -> list[Edit]:
    kind, path = str(error.get("type")), str(error.get("field") or "")
    match kind:
        case "unknown_block":
            block = _block(str(node.get("type")))
            return [Edit("update_node", {"nodeId": node_id, "type": block})] if block else []
        case "unreachable":
            return _attach(definition, node_id)
        case "missing_child":
            gone = str(error.get("message", "")).rsplit("called ", 1)[-1].strip()
            return [Edit("disconnect_nodes", {"source": node_id, "target": gone})]
        case "cycle":
            way = [part.strip() for part in str(error.get("message", "")).split("got", 1)[-1].split("→")]
            return [Edit("disconnect_nodes", {"source": way[-2], "target": way[-1]})] if len(way) > 1 else []
        case "bad_reference" if path.startswith("payload."):
            return _rewire(definition, node_id, node, path) or _moved(definition, node_id, error)
    if "branch" in kind or path == "branch":
        return _branch(definition, node_id, node)
    if path.startswith("payload"):
        return _payload(node_id, node, kind, path)
    return []


def _block(wrong: str) -> str | None:
    """The block meant by a type that is none: by its letters, else by the catalog's search."""
    catalog, search = index()
    close = difflib.get_close_matches(wrong, [each.type for each in catalog.all()], n=1, cutoff=0.6)
    hits = search.search(re.sub(r"[_.-]+", " ", wrong), 1)
    return close[0] if close else hits[0].type if hits else None


def _variables(definition: dict[str, Any], errors: list[dict[str, Any]]) -> list[Edit]:
    """Declarations of variables that are used and were never declared."""
    known = list(definition.get("variableDefs") or [])
    names = {str(each.get("name")) for each in known}
    for error in errors:
        if error.get("type") != "unknown_variable":
            continue
        name = str(error.get("message", "")).rsplit("got ", 1)[-1].strip()
        node = (definition.get("nodes") or {}).get(error.get("nodeId")) or {}
        payload = node.get("payload") or {}
        if name and name not in names:
            number = payload.get("operation") == "increment" or isinstance(payload.get("value"), int | float)
            listed = payload.get("operation") == "append"
            kind, default = ("number", 0) if number else ("list", []) if listed else ("text", "")
            known.append({"name": name, "type": kind, "lifetime": "persist", "default": default})
            names.add(name)
    return (
        [Edit("set_variables", {"variables": known})] if len(known) > len(definition.get("variableDefs") or []) else []
    )


def _payload(node_id: str, node: dict[str, Any], kind: str, path: str) -> list[Edit]:
    """A value of the wrong shape, an unknown member, broken braces."""
    payload = node.get("payload") or {}
    way = path.split(".")[1:]
    catalog, _ = index()
    block = catalog.get(str(node.get("type")))
    if block is None or not way:
        return []
    if kind == "payload_unknown" and len(way) == 1:
        value = payload.get(way[0])
        missing = [
            name
            for name in cast(list[str], block.payloadSchema.get("required") or [])
            if payload.get(name) in (None, "")
        ]
        target = _home(way[0], value, missing)
        return [
            Edit("update_node", {"nodeId": node_id, "payload": {way[0]: None, **({target: value} if target else {})}})
        ]
    better = _better(payload.get(way[0]), way[1:], kind, way[-1], _schema(block.payloadSchema, way))
    if better is None or better == payload.get(way[0]):
        return []
    return [Edit("update_node", {"nodeId": node_id, "payload": {way[0]: better}})]


def _home(name: str, value: Any, missing: list[str]) -> str | None:
    """The field meant by a name that is none."""
    text = str(value)
    kinds = {"to": bool(words.emails(text)), "url": bool(words.URL.match(text)), "channel": text.startswith("#")}
    fits = [each for each in missing if kinds.get(each)]
    close = difflib.get_close_matches(name.lower(), missing, n=1, cutoff=0.5)
    return fits[0] if fits else close[0] if close else missing[0] if len(missing) == 1 else None


def _schema(schema: Any, way: list[str]) -> dict[str, Any]:
    for part in way:
        if not isinstance(schema, dict):
            return {}
        schema = schema.get("items") if part.isdigit() else (schema.get("properties") or {}).get(part)
    return schema if isinstance(schema, dict) else {}


def _better(value: Any, way: list[str], kind: str, name: str, schema: dict[str, Any]) -> Any:
    """The value with what stands at the path mended; None when it cannot be."""
    if way and isinstance(value, dict | list):
        key: Any = int(way[0]) if isinstance(value, list) and way[0].isdigit() else way[0]
        copy: Any = list(value) if isinstance(value, list) else dict(value)
        try:
            inner = _better(copy[key], way[1:], kind, name, schema)
        except (KeyError, IndexError, TypeError):
            return None
        if inner is None:
            return None
        copy[key] = inner
        return copy
    if kind == "bad_expression" and isinstance(value, str):
        for pattern, to in _BRACES:
            value = pattern.sub(to, value)
        return value
    if name in ("rrule", "cron") and isinstance(value, str) and (found := schedule.find(value)) and found.freq:
        return found.rrule()
    if isinstance(options := schema.get("enum"), list):
        return _option(str(value), [str(each) for each in options])
    types = schema.get("type")
    if types in ("number", "integer"):
        number = words.duration_s(str(value)) or words.number(str(value))
        low, high = schema.get("minimum"), schema.get("maximum")
        if number is None:
            return None
        number = max(low, number) if low is not None else number
        return min(high, number) if high is not None else number
    if types == "array" and isinstance(value, str):
        return words.listed(value) or None
    if types == "string" and name == "url" and isinstance(value, str):
        return words.url(value)
    return str(value) if types == "string" and isinstance(value, int | float) else None


def _option(value: str, options: list[str]) -> str | None:
    """The choice meant: the same but for its case, the same in words, the nearest in letters."""
    for each in options:
        if each.lower() == value.lower():
            return each
    if "eq" in options and (than := operators.operator(f"it is {value.replace('_', ' ').lower()} than 5")):
        if than[1] in options and than[1] not in ("eq", "neq"):
            return than[1]
    if "eq" in options and (found := operators.operator(f"it is {value.replace('_', ' ').lower()} x")):
        return found[1] if found[1] in options and value.lower() != "is" else "eq"
    close = difflib.get_close_matches(value.lower(), options, n=1, cutoff=0.5)
    return close[0] if close else None


def _moved(definition: dict[str, Any], node_id: str, error: dict[str, Any]) -> list[Edit]:
    """A step that reads one of its own followers goes after it."""
    nodes = definition.get("nodes") or {}
    other = str(error.get("message", "")).rsplit("got ", 1)[-1].strip()
    parents = _parents(definition, node_id)
    if other not in nodes:
        return []
    mine = _parents(definition, node_id)
    if set(mine) & set(_parents(definition, other)) and not nodes[other].get("branch") and len(mine) == 1:
        return [
            Edit("disconnect_nodes", {"source": mine[0], "target": node_id}),
            Edit("connect_nodes", {"source": other, "target": node_id}),
        ]
    if other not in (nodes[node_id].get("children") or []) or _parents(definition, other) != [node_id]:
        return []
    return [
        Edit("disconnect_nodes", {"source": node_id, "target": other}),
        *(Edit("connect_nodes", {"source": each, "target": other}) for each in parents),
        *(Edit("disconnect_nodes", {"source": each, "target": node_id}) for each in parents),
        Edit("connect_nodes", {"source": other, "target": node_id}),
    ]


def _parents(definition: dict[str, Any], node_id: str) -> list[str]:
    nodes = definition.get("nodes") or {}
    return [
        key for key, node in nodes.items() if node_id in [*(node.get("children") or []), *(node.get("loopBody") or [])]
    ]


def _ancestors(definition: dict[str, Any], node_id: str) -> list[str]:
    """Nearest first."""
    found: list[str] = []
    queue = _parents(definition, node_id)
    for each in queue:
        if each not in found:
            found.append(each)
            queue.extend(_parents(definition, each))
    return found


def _attach(definition: dict[str, Any], node_id: str) -> list[Edit]:
    """A node nothing leads to comes after the last step it reads, else after the end of what is reached."""
    nodes = definition.get("nodes") or {}
    if _parents(definition, node_id):
        return []
    reached = [root for root in definition.get("triggerNodeIds") or ["root"] if root in nodes]
    for each in reached:
        reached.extend(c for c in nodes[each].get("children") or [] if c in nodes and c not in reached)
    read = [match.group(1) for match in _REFERENCE.finditer(str(nodes[node_id].get("payload") or {}))]
    ends = [each for each in reached if not nodes[each].get("children") and nodes[each].get("type") != "if"]
    wanted = [each for each in reached if each in read and each != "root"]
    source = (wanted or ends or reached or [None])[-1]
    return [Edit("connect_nodes", {"source": source, "target": node_id})] if source and source != node_id else []


def _branch(definition: dict[str, Any], node_id: str, node: dict[str, Any]) -> list[Edit]:
    """A branch there is not: yes or no, as far as its name tells."""
    nodes = definition.get("nodes") or {}
    for parent in _parents(definition, node_id):
        sides = {"if": ("then", "else"), "wait": ("resumed", "timed_out")}.get(str(nodes[parent].get("type")))
        if sides:
            branch = sides[1] if _NO.match(str(node.get("branch") or "")) else sides[0]
            return [Edit("connect_nodes", {"source": parent, "target": node_id, "branch": branch})]
    return []


def _rewire(definition: dict[str, Any], node_id: str, node: dict[str, Any], path: str) -> list[Edit]:
    """References that lead nowhere point to the nearest step before that gives something."""
    nodes = definition.get("nodes") or {}
    before = _ancestors(definition, node_id)
    source = next((each for each in before if nodes[each].get("type") in PRIMARY), None)
    top = path.split(".")[1]
    value = (node.get("payload") or {}).get(top)
    known = {*before, "root"}

    def mended(text: str) -> str:
        def better(match: re.Match[str]) -> str:
            head = match.group(1)
            if head in known or head.startswith("$"):
                return match.group()
            close = difflib.get_close_matches(head, before, n=1, cutoff=0.7)
            roots = {
                str(nodes[each].get("type")) for each in definition.get("triggerNodeIds") or ["root"] if each in nodes
            }
            if head in roots or head in ("trigger", "start", "input", "event"):
                return "{{root" + match.group(2) + "}}"
            if close:
                return "{{" + close[0] + match.group(2) + "}}"
            if source is None:
                return match.group()
            way = PRIMARY[str(nodes[source]["type"])][0]
            rest = match.group(2).removeprefix(f".{way}") if match.group(2).startswith(f".{way}.") else ""
            return "{{" + f"{source}.{way}{rest}" + "}}"

        return _REFERENCE.sub(better, text)

    def walk(item: Any) -> Any:
        if isinstance(item, str):
            return mended(item)
        if isinstance(item, dict):
            return {key: walk(each) for key, each in item.items()}
        return [walk(each) for each in item] if isinstance(item, list) else item

    better = walk(value)
    return [Edit("update_node", {"nodeId": node_id, "payload": {top: better}})] if better != value else []


def misread(definition: dict[str, Any]) -> list[Edit]:
    """References to a member that a step's result does not have: they read what it is mostly used for."""
    nodes = definition.get("nodes") or {}
    catalog, _ = index()
    made = []
    for node_id, node in nodes.items():
        changed = {name: _known(value, nodes, catalog) for name, value in (node.get("payload") or {}).items()}
        payload = {name: value for name, value in changed.items() if value != node["payload"][name]}
        if payload:
            made.append(Edit("update_node", {"nodeId": node_id, "payload": payload}))
    return made


def _known(value: Any, nodes: dict[str, Any], catalog: Any) -> Any:
    if not isinstance(value, str):
        return value

    def better(match: re.Match[str]) -> str:
        block = str((nodes.get(match.group(1)) or {}).get("type"))
        found, way = catalog.get(block), match.group(2).split(".")[1:]
        members = (found.resultSchema.get("properties") if found and found.resultSchema else None) or {}
        if block not in PRIMARY or len(way) < 2 or way[0] != "result" or not members or way[1] in members:
            return match.group()
        return "{{" + f"{match.group(1)}.{PRIMARY[block][0]}" + "}}"

    return _REFERENCE.sub(better, value)
