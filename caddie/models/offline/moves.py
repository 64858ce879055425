"""Steps that are there already, in another order: "move the log before the mail", "swap the filter and the summary".

Invariant: a step keeps its fields; what it leaves behind is connected again. A question to a person moves with the
condition on its answer. Callers: ``change``.
"""

from __future__ import annotations

import re

from caddie.models.offline import actions, clauses
from caddie.models.offline.canvas import Canvas
from caddie.models.offline.extension import Change
from caddie.models.offline.plan import Edit, Plan
from caddie.models.offline.thread import Talk

_BEFORE = r"before|in\s+front\s+of|ahead\s+of|prior\s+to|above"
_AFTER = r"after|behind|below|under(?:neath)?|following"
_EXACTLY = r"(?:right\s+|directly\s+|straight\s+|just\s+|immediately\s+)?"
_WHERE = rf"{_EXACTLY}(?P<where>{_BEFORE}|{_AFTER})\s+(?P<to>.+)"
_MOVE = re.compile(
    rf"^(?:move|shift|put|place|bring|pull|push|drag|reorder)\s+(?P<what>.+?)\s+(?:so\s+(?:that\s+)?it\s+(?:comes|runs|"
    rf"is|happens|goes)\s+|to\s+(?:come|be|run|go|happen)\s+|to\s+)?{_WHERE}$|"
    r"^(?:let|have|make|do|run)\s+(?P<what2>.+?)\s+(?:(?:come|be|run|go|happen|"
    rf"take\s+place)\s+)?{_WHERE.replace('where', 'where2').replace('to>', 'to2>')}$|"
    rf"^(?P<what3>.+?)\s+(?:should|must|needs?\s+to|has\s+to|ought\s+to|shall|is\s+supposed\s+to|belongs?|"
    rf"goes|comes)\s+(?:(?:come|go|happen|be|run|take\s+place|be\s+(?:done|placed|moved|sent|put|posted|mailed|asked))\s+(?:out\s+|in\s+)?)?"
    rf"{_WHERE.replace('where', 'where3').replace('to>', 'to3>')}$",
    re.I,
)
_END = re.compile(
    r"^(?:(?:move|shift|put|place|bring|pull|push|drag|do|run|make|have|let)\s+)?(?P<what>.+?)\s+(?:(?:should|must|needs?\s+"
    r"to|has\s+to)\s+)?(?:(?:come|go|happen|be|run|be\s+done)\s+)?(?:(?:up\s+|back\s+|down\s+)?(?:to|at)\s+the\s+(?:very\s+)?"
    r"(?P<end>beginning|start|front|top|end|bottom)(?:\s+of\s+(?:it|the\s+(?:workflow|flow|chain)|everything))?|"
    r"(?:the\s+)?(?:very\s+)?(?P<end2>first|last)(?:\s+(?:step|thing|of\s+all))?)(?P<rest>\s*,\s*.*)?$",
    re.I,
)
_SWAP = re.compile(
    r"^(?:swap|switch|exchange|flip|reverse)\s+(?:around\s+)?(?:the\s+(?:order|positions?|places?)\s+of\s+)?(?P<one>.+?)\s+"
    r"(?:and|with)\s+(?P<other>.+?)(?:\s+(?:around|places))?$",
    re.I,
)
_SEQUENCE = re.compile(
    r"^(?:first\s*,?\s+(?P<one>.+?)\s*,?\s*(?:and\s+)?(?:only\s+)?then\s+(?P<other>.+?)|(?P<one2>.+?)\s+first\s*,?\s*(?:(?:and\s+)?(?:only\s+)?"
    r"then|and(?:\s+only)?)\s+(?P<other2>.+?))(?:\s+(?:afterwards?|after\s+that|later|second|then|next))?$",
    re.I,
)
_NEW = re.compile(r"^(?:an?|another|one|some)\s+", re.I)
_FINITE = re.compile(r"\s+(?:gets?|is|are|was|has|have|goes|runs|happens|does)\b.*$", re.I)
#: Something to do, or nothing that could be moved.
_NO_STEP = re.compile(
    r"(?:add|append|insert|also|then|and|send|post|write|put|include|create|wait|ask|call|fetch|summari[sz]e|tell|notify|"
    r"e?mail\s+(?:me|us|them)|only|if|when|start|me\b|please)\b|(?:it|this|that|they|them|everything|you|we|i|(?:the|this)\s+"
    r"(?:whole\s+)?(?:workflow|flow|thing))\b",
    re.I,
)
_ENTERS = frozenset(("if", "wait", "for-each"))


def moved(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """A step before, after, at the beginning or at the end of others."""
    if swap := _SWAP.match(text):
        one, other = _named(swap.group("one"), canvas), _named(swap.group("other"), canvas)
        return _swapped(canvas, one, other) if one and other and one != other else None
    match = _MOVE.match(text)
    if match is not None:
        groups = match.groupdict()
        what, where, to = (next(groups[f"{name}{n}"] for n in ("", "2", "3") if groups.get(f"{name}{n}"))
                           for name in ("what", "where", "to"))  # fmt: skip
        step, target = _named(what, canvas), _named(to, canvas)
        early = re.fullmatch(_BEFORE, where, re.I) is not None
        return _placed(canvas, step, target, early) if step and target and step != target else None
    ends = _END.match(text)
    step = _named(ends.group("what"), canvas) if ends else None
    if ends is None or step is None:
        return None
    early = re.match(r"beg|start|front|top|first", ends.group("end") or ends.group("end2"), re.I) is not None
    others = [each for each in canvas.order() if each not in _unit(canvas, step) and canvas.loop_of(each) is None]
    if not others:
        return None
    return _placed(canvas, step, others[0] if early else _last(canvas, step), early)


def sequenced(text: str, canvas: Canvas) -> Change | None:
    """ "mail the guest first and store the booking afterwards": two steps that are there, told in another order."""
    match = _SEQUENCE.match(text)
    if match is None:
        return None
    groups = match.groupdict()
    one = _done(groups["one"] or groups["one2"], canvas)
    other = _done(groups["other"] or groups["other2"], canvas)
    if not one or not other or one == other or other not in canvas.below(one) + canvas.parents(one):
        if not one or not other or one == other or one not in canvas.below(other):
            return None
    return _placed(canvas, one, other, True) if one in canvas.below(other) else None


def _done(phrase: str, canvas: Canvas) -> str | None:
    """The step that does what a phrase tells, where one of its block is there and the phrase brings nothing new."""
    if re.search(r"[\"“'@#]|https?:|\d", phrase):
        return None
    action = actions.recognise(phrase)
    of_kind = canvas.of(action.block) if action else []
    found = canvas.meant(phrase, of_kind) if of_kind else canvas.meant(phrase)
    return None if found in canvas.triggers else found


def _named(phrase: str, canvas: Canvas) -> str | None:
    """The step a phrase names; nothing for one that is to be new, for text, or for a trigger."""
    if _NO_STEP.match(phrase.strip()) or re.match(clauses.LEAD, phrase.strip(), re.I):
        return None
    phrase = _FINITE.sub(_kept, phrase.strip(" .,"))
    if _NEW.match(phrase) or re.search(r"[\"“'@#]|https?:|\d", phrase):
        return None
    found = canvas.meant(phrase)
    return None if found in canvas.triggers else found


def _kept(match: re.Match[str]) -> str:
    """ "the booking gets stored": of a verb phrase the verb tells most."""
    return " " + re.sub(r"\b(?:gets?|is|are|was|has|have|goes|runs|happens|does|been|be|out|sent)\b", "", match.group())


def _unit(canvas: Canvas, step: str) -> list[str]:
    """The step, with the condition on its answer when it asks a person."""
    children = canvas.nodes[step].get("children") or []
    if canvas.nodes[step].get("type") == "human_confirmation" and len(children) == 1:
        check = canvas.nodes[children[0]]
        if check.get("type") == "if" and f"{step}.result" in str(check.get("payload")):
            return [step, children[0]]
    return [step]


def _last(canvas: Canvas, step: str) -> str:
    """Where the story ends without the step."""
    leaf = canvas.leaf(outside_loops=True)
    if leaf not in _unit(canvas, step):
        return str(leaf)
    return canvas.parents(step)[0]


def _placed(canvas: Canvas, step: str, target: str, early: bool) -> Change | None:
    """The step taken out of its place and put before or after another."""
    unit = _unit(canvas, step)
    if target in unit or (canvas.nodes[step].get("type") in _ENTERS) or not canvas.parents(step):
        return None
    if target in canvas.triggers and early:
        return None
    taken = _taken(canvas, unit)
    left = canvas.edited(taken)
    tail, branch = unit[-1], "then" if len(unit) > 1 else None
    made: list[Edit] = []
    if early:
        for parent in left.parents(target):
            side = {"branch": left.nodes[target]["branch"]} if left.nodes[target].get("branch") else {}
            inside = target in (left.nodes[parent].get("loopBody") or [])
            made.append(Edit("disconnect_nodes", {"source": parent, "target": target}))
            made.append(_edge(parent, step, inside, **side))
        made.append(_edge(tail, target, False, **({"branch": branch} if branch else {})))
    else:
        kind = str(left.nodes[target].get("type"))
        sided = {"if": "then", "wait": "resumed"}.get(kind)
        following = [
            each for each in left.nodes[target].get("children") or []
            if each not in unit and (not sided or (left.nodes.get(each) or {}).get("branch") == sided)
        ]  # fmt: skip
        made += [Edit("disconnect_nodes", {"source": target, "target": each}) for each in following]
        made.append(_edge(target, step, False, **({"branch": sided} if sided else {})))
        made += [_edge(tail, each, False, **({"branch": branch} if branch else {})) for each in following]
    return Change(Plan([*taken, *made]), f"I move `{step}` {'before' if early else 'after'} `{target}`.")


def _taken(canvas: Canvas, unit: list[str]) -> list[Edit]:
    """What led to the steps leads to what followed them."""
    head, tail = unit[0], unit[-1]
    following = [each for each in canvas.nodes[tail].get("children") or [] if each in canvas.nodes]
    if len(unit) > 1:
        following = [each for each in following if canvas.nodes[each].get("branch") == "then"]
    made = [Edit("disconnect_nodes", {"source": tail, "target": each}) for each in following]
    for parent in canvas.parents(head):
        inside = head in (canvas.nodes[parent].get("loopBody") or [])
        side = {"branch": canvas.nodes[head]["branch"]} if canvas.nodes[head].get("branch") and not inside else {}
        made.append(Edit("disconnect_nodes", {"source": parent, "target": head}))
        made += [_edge(parent, each, inside, **side) for each in following]
    return made


def _swapped(canvas: Canvas, one: str, other: str) -> Change | None:
    """Two steps in each other's places: the later one before the earlier, and that one where the later was."""
    order = canvas.order()
    first, second = sorted((one, other), key=order.index)
    between = canvas.nodes[first].get("children") or []
    moved_up = _placed(canvas, second, first, True)
    if moved_up is None:
        return None
    if second in between or second not in canvas.below(first):
        return Change(moved_up.plan, f"I swap `{first}` and `{second}`.")
    now = canvas.edited(moved_up.plan.edits)
    before = next((each for each in canvas.parents(second) if each != first), None)
    down = _placed(now, first, before, False) if before else None
    edits = [*moved_up.plan.edits, *(down.plan.edits if down else [])]
    return Change(Plan(edits), f"I swap `{first}` and `{second}`.")


def _edge(source: str, target: str, inside: bool, **side: str) -> Edit:
    return Edit("connect_nodes", {"source": source, "target": target, **({"inLoop": True} if inside else side)})
