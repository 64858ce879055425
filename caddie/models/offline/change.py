"""Changes to a workflow that is there: which kind of change a message asks for.

Invariant: touches only what the message names. Callers: ``dialogue``.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from caddie.models.offline import (
    alternatives,
    amounts,
    clauses,
    corrections,
    details,
    fields,
    manners,
    moves,
    offers,
    openings,
    options,
    phrasing,
    removal,
    reshape,
    schedule,
    timetable,
    tuning,
    turns,
    wishes,
    wording,
    words,
)
from caddie.models.offline.canvas import Canvas
from caddie.models.offline.extension import ADD, Change, extended
from caddie.models.offline.plan import Plan
from caddie.models.offline.request import Request
from caddie.models.offline.thread import Talk

_CHANGE = re.compile(
    r"\b(?:change|move|set|make|switch|shift|reschedule|update|use|instead|rather|replace|edit|adjust|raise|lower|"
    r"increase|decrease|turn|put|let|should|not\s+\S+\s+but)\b",
    re.I,
)
_MEND = re.compile(
    r"\b(?:fix|repair|broken|wrong|errors?|invalid|complain\w*|fail(?:s|ed|ing)?|does\s?n[o'’]t\s+work|not\s+work\w*|"
    r"sort\s+(?:it|this|that)\s+out|mend|refuses|something['’]?s?\s+(?:is\s+)?off|correct\s+(?:it|that|"
    r"this)|never\s+runs?|debug|validat\w+)\b",
    re.I,
)
_PARTS = re.compile(
    r"(?<=[.!;])\s+|\n+|\s*(?:,|,?\s*\b(?:and|but|plus)\b)\s*(?:then\s+|and\s+|also\s+|please\s+)*(?=(?:also|if|"
    r"then|when|add|remove|"
    r"change|set|make|use|send|post|e?mail|log|put|drop|delete|rename|call|wait|cap|limit|only|move|raise|"
    r"lower|switch|replace|take|get\s+rid|throw|swap|duplicate|retry|try|mail|raise|increase|decrease|"
    r"tell|notify|warn|alert|ping|let|give|copy|cc|skip|ask|keep|turn|run|start|have|leave|search|instead)\b)|"
    r"\s*,?\s+and\s+(?=(?:in|as|with)\s+(?:an?\s+)?(?:bullet|short|numbered|list)\b)|"
    r"\s*,\s*(?:and|but)\s+(?=(?:the|my|our)\s+\w+\s+(?!are\b|is\b))",
    re.I,
)
#: "…, so drop it": said once more.
_ONCE_MORE = re.compile(
    r"(?:so\s+)?(?:drop|remove|delete|take|get\s+rid\s+of|kill)\s+(?:it|that|them|this)(?:\s+out)?", re.I
)
_JOINS = re.compile(r"\b(?:both|together|combined?|merged?)\b", re.I)
#: A part that wishes something of its own.
_WISH = re.compile(rf"^(?:also\s+|then\s+|please\s+)*(?:{manners.CHANGES})\s+\w+", re.I)
#: What follows the comma belongs to it.
_BOUND = re.compile(
    r"^(?:if|when|whenever|every\s+time|each\s+time|before|after|unless|for|once|in\s+case|instead|between|inside|"
    r"rather|as\s+soon|while|on)\b",
    re.I,
)


def wanted(said: Talk) -> bool:
    """Whether a message names a change, also in a turn that is about repairing."""
    if not said.nodes or (_MEND.search(said.request) and not _names(said.request)):
        return False
    canvas, text = Canvas(said.start), _plain(said.request)
    return _explicit(text, canvas, said) is not None or extended(text, said, canvas, None) is not None


def _names(text: str) -> bool:
    """Whether a message brings something to put in: an address, a channel, words in quotes, a time."""
    found = schedule.find(words.masked(text))
    return bool(
        words.url(text) or words.emails(text) or words.channel(text) or words.quoted(text) or (found and found.freq)
    )


def edits(said: Talk, request: Request) -> Change | None:
    """The change a message asks for, or None when it names none."""
    canvas, text = Canvas(said.start), _plain(said.request)
    if (complete := openings.completed(text, canvas, said)) is not None:
        return complete
    if (offer := offers.asked(text, canvas, said)) is not None:
        return offer
    # A classification comes with a condition on what somebody means, and is no step the message tells.
    told = [each for each in request.actions() if each.block != "classify"]
    parts = _parts(text)
    wished = [wishes.text(each) for each in parts]
    if request.trigger is not None and len(told) > 1 and not _CHANGE.match(text) and not ADD.match(text):
        # "Don't post to Discord any more. Email x when an order comes in": a change, and no workflow of its own.
        return _several(wished, canvas, said) if wished != parts or text != _bare(said.request) else None
    if asked := reshape.asked_first(phrasing.plain(said.request).strip(" .!"), canvas, said):
        # Politeness would take "I need to okay" for "I need it, okay".
        return asked
    if (correct := corrections.corrected(text, canvas, said)) is not None and not re.search(r"[.;]\s|\band\b", text):
        return correct
    if (ordered := moves.sequenced(text, canvas)) is not None:
        return ordered
    if len(parts) > 1 and not _JOINS.search(text) and (several := _several(wished, canvas, said)) is not None:
        return several
    explicit = _explicit(text, canvas, said)
    made = explicit if explicit is not None else extended(text, said, canvas, request)
    return made if made is not None else _explicit(text, canvas, said, idle=True)


def _labels(canvas: Canvas) -> list[str]:
    return [str(label) for each in canvas.of("classify") for label in canvas.payload(each).get("labels") or []]


def _parts(text: str) -> list[str]:
    """The changes a message names one after the other; what is only said around them is no part."""
    guard = phrasing.Guard(text)
    told: list[str] = []
    for sentence in re.split(r"(?<=[.!;])\s+|\n+", guard.text):
        told += [sentence] if _BOUND.match(sentence.strip()) else _PARTS.split(sentence)
    plain = (phrasing.without_chatter(clauses.bare(guard.restored(each))) for each in told)
    found = [each for each in plain if each.strip(" .,!?")]
    return [each for at, each in enumerate(found) if not at or not _ONCE_MORE.fullmatch(each)]


def _plain(text: str) -> str:
    return wishes.text(_bare(text))


def _bare(text: str) -> str:
    bare = phrasing.without_chatter(phrasing.plain(text)).strip(" .!?")
    return manners.unexplained(manners.direct(bare))


def _several(parts: list[str], canvas: Canvas, said: Talk) -> Change | None:
    """Several changes in one message, when each of them is one."""
    made: list[Change] = []
    lost: list[str] = []
    now, labels = canvas, _labels(canvas)
    for part in parts:
        if new := [each for each in _labels(now) if each not in labels]:
            part = re.sub(r"\b(?:those|these|them)\b", f"{new[0]} ones", part)
        told = turns.background(part) and part is not parts[-1]
        change = _explicit(part, now, said)
        if change is None and (not told or ADD.search(part)):
            change = extended(part, said, now, None)
        if change is None and told:
            continue
        change = change if change is not None else _explicit(part, now, said, idle=True)
        if change is None and _WISH.match(part):
            # One of several wishes is not understood: the others are done, and it is told.
            lost.append(part)
            continue
        if change is None or change.slots:
            return None
        made.append(change)
        now = now.edited(change.plan.edits)
    touched = [
        f"{edit.args.get('nodeId')} {name}"
        for each in made
        for edit in each.plan.edits
        for name in (["type"] if edit.tool == "add_node" else edit.args.get("payload") or ["type"])
        if edit.tool in ("add_node", "update_node")
    ]
    if len(set(touched)) != len(touched) or not made:
        return None
    plan = Plan(
        [edit for each in made for edit in each.plan.edits], [told for each in made for told in each.plan.assumptions]
    )
    steps = [step for each in made for step in each.steps]
    unknown = [*lost, *(told for each in made for told in each.unknown)]
    return Change(plan, " ".join(each.intro for each in made), steps, [], unknown)


def _explicit(text: str, canvas: Canvas, said: Talk, idle: bool = False) -> Change | None:
    """What the first reader that fits makes of a text. idle: also one that sets what is so already."""
    readers: tuple[Callable[[str, Canvas, Talk], Change | None], ...] = (
        offers.asked, openings.completed, reshape.renamed, reshape.asked_first, moves.moved, details.extracted,
        details.searched, tuning.searched_for, options.headed,
        corrections.corrected, reshape.replaced,
        fields.labelled, wording.mentioned, wording.translated, wording.toned, tuning.widened, tuning.narrowed,
        tuning.respelt, tuning.conditioned, removal.removed, reshape.held_back, reshape.gated, reshape.swapped,
        reshape.copied, reshape.restarted, fields.copied_in, alternatives.added, timetable.started,
        timetable.shifted, timetable.timed, timetable.zoned, fields.completed, fields.reworded, fields.addressed,
        fields.retargeted, options.modelled, tuning.styled, fields.prompted, amounts.changed,
        options.numbered, tuning.renumbered, fields.threshold,
    )  # fmt: skip
    made = (found for reader in readers if (found := reader(text, canvas, said)) is not None)
    return next((each for each in made if idle or not _idle(each, canvas)), None)


def _idle(change: Change, canvas: Canvas) -> bool:
    """Whether a change sets only what is so already."""
    return bool(change.plan.edits) and all(
        edit.tool == "update_node"
        and set(edit.args) == {"nodeId", "payload"}
        and all(canvas.payload(edit.args["nodeId"]).get(name) == value for name, value in edit.args["payload"].items())
        for edit in change.plan.edits
    )
