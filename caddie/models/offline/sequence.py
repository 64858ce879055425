"""The order of steps set right once all of a request is read.

Invariant: a step is moved, gated or dropped only because of what another step needs. Callers: ``reader``, ``plan``.
"""

from __future__ import annotations

import re

from caddie.models.offline import actions, memory, moments, notices, pauses, scope, telling, words
from caddie.models.offline.reading import LATER
from caddie.models.offline.request import Action, Branch, Condition, Loop, Slot, Step, Test
from caddie.models.offline.request import actions as actions_of

_THEM = re.compile(
    r"^(?:also\s+)?(?:e-?mail|mail|(?:send|write|notify|remind|invite|thank|inform|ask))\s+(?:an?\s+(?:e-?mail|"
    r"mail)\s+to\s+)?(?:to\s+)?(?:them|him|"
    r"her|it|the\s+(?!team|boss|manager|office|group|staff|owner|admin|mail|e-?mail|list|result|summary|"
    r"report)[a-z]+)\b",
    re.I,
)


#: Behind a hook a mail goes to whoever sent it in, unless it is said to be for somebody here.
_WHOSE = re.compile(
    r"^(?!.*\b(?:me|us|my|our|the\s+(?:team|office|boss|manager|owner|admin|staff|accountant|group|club|company|chef|kitchen|"
    r"warehouse|principal|secretary|board|head|list))\b)(?:also\s+)?(?:e-?mail|mail|send|write|notify|remind|invite|thank|inform|"
    r"congratulate|welcome|get|gets)\b.*(?:\b(?:e-?mails?|mails?|thank|welcome|reminder|confirmation|invitation|reply|them|him|her|"
    r"everyone|everybody|each\s+person)\b)",
    re.I,
)
_AGAIN = re.compile(
    r"^send\s+(?:out\s+)?(?:an?|another|the)\s+(?:[\w-]+\s+){0,2}?(?:e-?mail|mail|reminder|message)\b(?!\s+to\b)", re.I
)


def settled(steps: list[Step], hooked: bool = False) -> None:
    """What follows from the steps around, once all are there. hooked: what starts it brings a person's data."""
    steps[:] = pauses.approvals(steps)
    approved(steps)
    chained(steps)
    stepped(steps)
    addressed(steps, _WHOSE if hooked else None)


def approved(steps: list[Step]) -> None:
    """What comes after a question to a person waits for a yes, whether or not that is said."""
    for at, step in enumerate(steps):
        if isinstance(step, Branch):
            approved(step.then)
            approved(step.otherwise)
        elif isinstance(step, Loop):
            approved(step.body)
        elif step.block == "human_confirmation" and steps[at + 1 :]:
            following = steps[at + 1]
            if isinstance(following, Action) and telling.DECISION.search(following.clause):
                continue
            if not isinstance(following, Branch) or all(
                each.subject != "approved" for each in following.test.conditions
            ):
                steps[at + 1 :] = [Branch(Test((Condition("approved", "eq", True),)), then=steps[at + 1 :])]
                return


def remembered(steps: list[Step]) -> None:
    """ "only when it changed" remembers the last value by itself."""
    branches = [each for each in steps if isinstance(each, Branch)]
    if any(memory.remembers(c) for branch in branches for c in branch.test.conditions):
        steps[:] = [each for each in steps if not (isinstance(each, Action) and each.block == "set-variable")]


def hoisted(steps: list[Step]) -> None:
    """A condition told before what it looks at: the step that fetches it comes first, if only with an open address."""
    first = next((at for at, each in enumerate(steps) if isinstance(each, Branch | Loop)), None)
    if first is None or any(isinstance(each, Action) and each.block in actions.SOURCES for each in steps[:first]):
        return
    branch = steps[first]
    later = [*(branch.then if isinstance(branch, Branch) else []), *steps[first + 1 :]]
    source = next((each for each in later if isinstance(each, Action) and each.block in actions.FETCHERS), None)
    subject = branch.items if isinstance(branch, Loop) else ""
    if isinstance(branch, Branch):
        subject = next((c.subject for c in branch.test.conditions if c.subject), "")
    if isinstance(branch, Branch) and (branch.waits or not subject or subject == "approved" or words.url(subject)):
        if source is None:
            return
    if source is not None:
        for holder in (steps, *([branch.then] if isinstance(branch, Branch) else [])):
            if source in holder:
                holder.remove(source)
    else:
        topic = words.bare(subject)
        question = f"From which address (URL) can I read the {topic or 'data'}?"
        source = Action("http-request", {"method": "GET"}, topic=topic, clause=f"fetch {topic}")
        source.missing.append(Slot("url", "url", question, (LATER,)))
    if not source.topic:
        source.topic = words.bare(subject)
    steps.insert(first, source)


def supplied(steps: list[Step]) -> None:
    """What a message is about is fetched, searched for or written first, when nothing before it brings anything."""
    for at, step in enumerate(steps):
        if not isinstance(step, Action):
            return
        if (source := notices.supply(step)) is not None:
            steps.insert(at, source)
            return
        if step.block in actions.SOURCES or step.block == "summarize":
            return


def chained(steps: list[Step]) -> None:
    """ "bugs go to A, billing to B, the rest to C": the rest is what neither of them is."""
    at = 0
    while at < len(steps):
        step = steps[at]
        if isinstance(step, Loop):
            chained(step.body)
        row = [at]
        while isinstance(step, Branch) and row[-1] + 1 < len(steps) and _beside(steps[row[-1]], steps[row[-1] + 1]):
            row.append(row[-1] + 1)
        last = steps[row[-1]]
        if len(row) > 1 and isinstance(last, Branch) and last.otherwise:
            for inner in reversed(row[1:]):
                outer = steps[inner - 1]
                if isinstance(outer, Branch):
                    outer.otherwise = [steps.pop(inner)]
        at += 1


def _beside(one: Step, other: Step) -> bool:
    """Whether two conditions ask the same for different values, and the first has no other branch."""
    if not (isinstance(one, Branch) and isinstance(other, Branch)) or one.otherwise or one.waits or other.waits:
        return False
    asked, also = _values(one.test), _values(other.test)
    same = {c.subject for c in (*one.test.conditions, *other.test.conditions)}
    return bool(asked and also) and len(same) == 1 and not asked & also


def _values(test: Test) -> frozenset[str]:
    """What a test lets through, when it names the values."""
    alternatives = len(test.conditions) == 1 or test.match == "any"
    named = all(c.op == "eq" and isinstance(c.right, str) for c in test.conditions)
    return frozenset(str(c.right) for c in test.conditions) if alternatives and named else frozenset()


def stepped(steps: list[Step]) -> None:
    """ "above 80 to A, above 50 to B": what is above 80 goes to A alone."""
    at = 0
    while at < len(steps):
        one = steps[at]
        if isinstance(one, Loop):
            stepped(one.body)
        row: list[Branch] = [one] if isinstance(one, Branch) else []
        for other in steps[at + 1 :]:
            if not row or not isinstance(other, Branch) or row[-1].otherwise or not _wider(row[-1].test, other.test):
                break
            row.append(other)
        for outer, inner in zip(row, row[1:], strict=False):
            outer.otherwise = [inner]
        del steps[at + 1 : at + max(1, len(row))]
        at += 1


def _wider(one: Test, other: Test) -> bool:
    """Whether the second of two bounds holds wherever the first does."""
    if len(one.conditions) != 1 or len(other.conditions) != 1:
        return False
    first, second = one.conditions[0], other.conditions[0]
    rising = first.op in ("gt", "gte") and second.op in ("gt", "gte")
    falling = first.op in ("lt", "lte") and second.op in ("lt", "lte")
    if first.subject != second.subject or not (rising or falling):
        return False
    bounds = [each for each in (first.right, second.right) if isinstance(each, int | float)]
    return len(bounds) == 2 and (bounds[0] > bounds[1] if rising else bounds[0] < bounds[1])


def moments_of(steps: list[Step]) -> list[moments.Moment]:
    """The dates that conditions compare with, in reading order."""
    found: list[moments.Moment] = []
    for step in steps:
        if isinstance(step, Branch):
            found += [c.right for c in step.test.conditions if isinstance(c.right, moments.Moment)]
            found += moments_of([*step.then, *step.otherwise])
        elif isinstance(step, Loop):
            found += moments_of(step.body)
        else:
            rights = [each.get("right") for each in step.payload.get("conditions") or []]
            found += [each for each in rights if isinstance(each, moments.Moment)]
    return list(dict.fromkeys(found))


def addressed(steps: list[Step], who: re.Pattern[str] | None = None) -> None:
    """Within a loop, or behind a hook, a mail to "them" goes to the address of the item, or of what came in.

    So does the next one.
    """
    known = False
    for step in steps:
        if isinstance(step, Branch):
            addressed(step.then, who)
            addressed(step.otherwise, who)
        elif isinstance(step, Loop):
            addressed(step.body, _THEM)
        elif who and step.block == "send-email" and step.missing and (
            who.match(step.clause) or (known and _AGAIN.match(step.clause))
        ):  # fmt: skip
            known = True
            step.members = step.members or ["email"]
            step.missing = [slot for slot in step.missing if slot.field != "to"]


def closed(steps: list[Step]) -> list[Step]:
    """In a chat, what an AI agent wrote last is sent back, unless the request says where it goes."""
    made: list[Step] = []
    for step in steps:
        if isinstance(step, Branch):
            step = Branch(step.test, closed(step.then), closed(step.otherwise))
        made.append(step)
    if made and isinstance(made[-1], Action) and made[-1].block == "agent":
        made.append(Action("reply_chat", clause="reply", topic="reply"))
    return made


def answered(steps: list[Step]) -> list[Step]:
    """Whoever writes in a chat gets an answer, unless what they write goes somewhere else."""
    if not steps or any(each.block not in ("http-request", "web-search") for each in actions_of(steps)):
        return steps
    if not all(isinstance(each, Action) and not scope.sends(each.block, each.payload) for each in steps):
        return steps
    return [*steps, Action("reply_chat", clause="reply", topic="reply with an answer")]
