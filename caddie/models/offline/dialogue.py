"""What the offline model says and calls next: ask, search, edit, validate, repair, close.

Invariant: the decision is a pure function of the request, and every path ends: each phase is left for good once its
tool has been called. Callers: ``OfflineModel``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from caddie.models.model import ModelRequest
from caddie.models.offline import (
    amendment,
    asides,
    change,
    complaints,
    extension,
    faults,
    fragments,
    offers,
    openings,
    proposal,
    questions,
    recollection,
    repair,
    running,
    slotting,
    sources,
    speak,
    talk,
    thread,
    words,
)
from caddie.models.offline.plan import Edit, Plan, Planner
from caddie.models.offline.reply import Reply
from caddie.models.offline.request import Action, Branch, Request, Slot, Step, actions
from caddie.models.offline.thread import Talk
from caddie.models.offline.understand import understand

_PLANNED = "I will build this: "
MAX_SEARCHES = 8
REPAIRS = 2
REPLACE = "There is a workflow on the canvas already. Shall I add to it or replace it?"
_MESSAGES = ("slack-send-message", "discord-send-message", "send-email", "reply_chat", "log", "format")
_TEXT_OF = {
    "slack-send-message": "the Slack message", "send-email": "the email", "discord-send-message": "the Discord message",
    "reply_chat": "the reply",
}  # fmt: skip
#: Speaks of the workflow, not of what is possible at all.
_POINTS = re.compile(r"\b(?:it|this|that|them|the\s+\w+)\b", re.I)
_EDITS = ("edit_workflow",)


@dataclass(slots=True)
class Intent:
    """What to do with the workflow. intro: said first. queries: looked up first. slots: still to be asked."""

    plan: Plan
    intro: str
    queries: list[str]
    slots: list[Slot]
    unknown: list[str]
    #: Every step is a guess of the search; idle: and nothing says when to start.
    guessed: bool = False
    idle: bool = False


def decide(request: ModelRequest) -> Reply:
    """The next step of the conversation."""
    said = thread.read(request)
    if said.called("use_template"):
        return _close(said, [], [], "")
    said.request, said.run = running.parted(said.request)
    if (aside := asides.reply(said)) is not None:
        return aside
    if (ran := running.reply(said)) is not None:
        return ran
    if offers.undone(said):
        return Reply(f"{offers.UNDO}\n\n{speak.OFFLINE}")
    if faults.meant(said):
        return _mend(said)
    if talk.reports(said):
        reports = said.called("validate_workflow")
        if not reports:
            return Reply(calls=(Edit("validate_workflow", {}),))
        report = reports[0].value if isinstance(reports[0].value, dict) else {}
        told = questions.report(report, said.request, questions.accounts(said.start))
        return Reply(f"{told}\n\n{speak.OFFLINE}")
    asked = proposal.ASKED.search(said.request) and not proposal.BARE.search(said.request)
    if asked and (ready := proposal.offered(said)) is not None:
        return ready
    answered = talk.answer(said)
    if answered is not None:
        return Reply(answered)
    intent = _amended(said, _intent(said))
    if intent is None:
        able = None if said.nodes and _POINTS.search(said.request) else talk.ability(said)
        return Reply(able) if able else proposal.offered(said) or Reply(talk.lost(said))
    if intent.guessed and not said.nodes and (ready := proposal.offered(said)) is not None:
        return ready
    if intent.guessed and intent.idle and not intent.slots:
        return Reply(talk.lost(said))
    return _work(said, intent)


def _amended(said: Talk, intent: Intent | None) -> Intent | None:
    """What was said to a plan changes it."""
    if intent is None or not said.wishes:
        return intent
    plan, slots, unknown = amendment.amended(said, intent.plan)
    told = speak.prose(amendment.planned(said.start, plan.edits))
    return replace(
        intent, plan=plan, slots=[*intent.slots, *slots], unknown=[*intent.unknown, *unknown], intro=f"{_PLANNED}{told}"
    )


def _work(said: Talk, intent: Intent) -> Reply:
    edited = said.called(*_EDITS)
    single = "validate_workflow" not in said.tools
    if not edited and not said.called("validate_workflow"):
        first = said.context.mode == "planning" or not intent.plan.edits or intent.guessed
        if first and (question := _question(said, intent)):
            return question
        if intent.queries and not said.called("search_blocks") and "search_blocks" in said.tools:
            calls = tuple(Edit("search_blocks", {"query": query, "limit": 3}) for query in intent.queries)
            return Reply(intent.intro, calls)
        if not intent.plan.edits:
            return _close(said, [], [], "") if said.answers and said.nodes else Reply(talk.lost(said, intent.unknown))
        if "edit_workflow" not in said.tools:
            return Reply("\n\n".join([f"My plan: {intent.intro}", *_notes(intent), speak.OFFLINE]))
        intro = "" if said.called("search_blocks") else intent.intro
        if single:
            return Reply("\n\n".join(filter(None, [intro, *_notes(intent), speak.OFFLINE])), tuple(intent.plan.edits))
        return Reply(intro, tuple(intent.plan.edits))
    return _close(said, intent.plan.assumptions, intent.unknown, "", intent.slots)


def _close(said: Talk, assumptions: list[str], unknown: list[str], found: str, slots: Sequence[Slot] = ()) -> Reply:
    """Validate, repair what can be repaired, then sum up."""
    last = said.rounds[-1][-1] if said.rounds and said.rounds[-1] else None
    if last is None or last.name != "validate_workflow":
        return Reply(calls=(Edit("validate_workflow", {}),))
    report = last.value if isinstance(last.value, dict) else {}
    errors = report.get("errors") or []
    rounds = len(said.called("validate_workflow"))
    if errors and rounds <= REPAIRS:
        edits = repair.edits(said.context.definition or {}, errors)
        if edits:
            return Reply("Validation found something; I repair it.", tuple(edits))
    if not (said.context.definition or {}).get("nodes"):
        return Reply("The canvas is empty now. Tell me what should happen and when, and I build it.")
    parts = [found or _headline(said), *_caveats(said, assumptions, unknown)]
    if errors:
        parts.append("Not right yet:\n" + "\n".join(f"- {each.get('message', '')}" for each in errors[:5]))
    parts += [speak.left_open(report.get("incomplete") or []), speak.OFFLINE]
    if slots and "ask_user" in said.tools:
        return _ask(slots[0], [*parts, *([running.LATER] if said.run else [])])
    told = "\n\n".join(part for part in parts if part)
    return running.after(said, report, told) if said.run else Reply(told)


def _ask(slot: Slot, told: Sequence[str]) -> Reply:
    """A question of its own line, which is the last of what is said: the answer is recognised by it."""
    options = [{"value": value, "label": label} for value, label in slot.options]
    args = {"question": slot.question, "options": options, "allowText": True}
    return Reply("\n\n".join(part for part in (*told, slot.question) if part), (Edit("ask_user", args),))


def _headline(said: Talk) -> str:
    done = "The workflow now does this:" if said.nodes else "Done. The workflow does this:"
    new = [f"`{each}`" for each in (said.context.definition or {}).get("nodes") or {} if each not in said.nodes]
    added = f"{recollection.NEW} {words.joined(new)}.\n" if said.nodes and new else ""
    return f"{added}{done}\n{speak.explain(said.context.definition or {})}"


def _caveats(said: Talk, assumptions: list[str], unknown: list[str]) -> list[str]:
    notes = list(dict.fromkeys(assumptions))
    told = ["Please check: " + "; ".join(notes) + "."] if notes else []
    if unknown:
        told.append("I did not understand " + words.joined([f"“{each}”" for each in unknown]) + " and left it out.")
    failed = [outcome for outcome in said.called(*_EDITS) if not outcome.ok]
    if failed:
        told.append("Some edits were refused: " + "; ".join(str(each.value) for each in failed[:3]) + ".")
    return told


def _notes(intent: Intent) -> list[str]:
    notes = (
        ["Please check: " + "; ".join(dict.fromkeys(intent.plan.assumptions)) + "."] if intent.plan.assumptions else []
    )
    notes += [f"Left open: {slot.question}" for slot in intent.slots]
    return notes


def _question(said: Talk, intent: Intent) -> Reply | None:
    """The next thing to ask, or the plan to be approved."""
    if "ask_user" not in said.tools:
        return None
    if intent.slots:
        return _ask(intent.slots[0], [] if said.answers else ["I can do that, but one thing is missing."])
    if said.context.mode == "planning":
        if said.answers and thread.CHANGE.match(said.answers[-1][1]):
            return Reply(thread.WHAT_ELSE, (Edit("ask_user", {"question": thread.WHAT_ELSE}),))
        summary = intent.intro.removeprefix(_PLANNED) or talk.lost(said, intent.unknown)
        args = {"summary": summary[:1000], "steps": _outline(intent)}
        return Reply(f"My plan: {summary}\n\n{thread.APPROVAL}", (Edit("propose_plan", args),))
    return None


def _outline(intent: Intent) -> list[dict[str, Any]]:
    """The steps of a plan as `propose_plan` takes them."""
    steps = []
    for edit in intent.plan.edits[:50]:
        title = words.sentence(str(edit.args.get("nodeId", edit.tool)).replace("_", " "))[:200]
        block = edit.args.get("type")
        steps.append({"title": "Start" if title == "Root" else title, **({"block": block} if block else {})})
    return steps or [{"title": "Nothing to change"}]


def _mend(said: Talk) -> Reply:
    if not said.nodes:
        return Reply(
            f"There is no workflow to repair yet. Tell me what it should do and I build it.\n\n{speak.OFFLINE}"
        )
    if not said.called("validate_workflow") and not said.called(*_EDITS):
        return Reply("I check the workflow for faults.", (Edit("validate_workflow", {}),))
    repaired = bool(said.called(*_EDITS))
    report = said.called("validate_workflow")[0].value if said.called("validate_workflow") else {}
    open_ = report.get("incomplete") if isinstance(report, dict) and not report.get("errors") else None
    if open_ and not repaired and (wired := repair.wired(said.context.definition or {}, open_)):
        return Reply("Something was not connected to the data before it; I do that.", tuple(wired))
    if not open_ and not repaired and (read := repair.misread(said.context.definition or {})):
        return Reply("A step reads something that the step before does not give; I mend that.", tuple(read))
    if not repaired and (mended := complaints.edits(said))[1]:
        return Reply(mended[0], tuple(mended[1]))
    if not (open_ or repaired or report.get("errors")) and (told := running.failed(said)):
        return told
    found = "Repaired. The workflow now" if repaired else "I found no fault that I can repair. The workflow"
    return _close(said, [], [], f"{found} does this:\n{speak.explain(said.context.definition or {})}")


def _intent(said: Talk) -> Intent | None:
    request = understand(said.request, said.context.timezone, said.context.now)
    if together := fragments.joined(said, request):
        said.request, request = together
    slots = slotting.filled(request, said)
    if together and said.nodes:
        return _rebuilt(said, request, slots)
    if said.nodes:
        if (plan := openings.filled(said)) is not None:
            return Intent(plan, "I fill that in.", [], openings.left(said, [*slots, *slotting.late(request, said)]), [])
        changed = _continued(said) or change.edits(said, request)
        if changed is not None:
            return Intent(changed.plan, changed.intro, _queries(changed.steps), changed.slots, changed.unknown)
        if request.trigger is None or not request.steps:
            return None
        if not said.answers and not _only_trigger(said):
            either = (("add", "Add to it"), ("replace", "Replace it"))
            return Intent(Plan(), "", [], [Slot("replace", "text", REPLACE, either)], [])
        return _rebuilt(said, request, slots)
    if request.trigger is None and not request.steps:
        return None
    return _built(said, request, slots)


def _continued(said: Talk) -> extension.Change | None:
    whole = fragments.continued(said)
    if whole is None:
        return None
    found = change.edits(replace(said, request=whole), understand(whole, said.context.timezone, said.context.now))
    return found if found is not None and found.plan.edits and not found.unknown else None


def _built(said: Talk, request: Request, slots: list[Slot]) -> Intent:
    request.trigger = request.trigger or sources.looked_for(said.request, request.steps, said.context.timezone)
    slots = [*slots, *slotting.late(request, said)]
    about = [request.trigger.block.replace("cronjob", "schedule") if request.trigger else "manual start"]
    intro = f"{_PLANNED}{speak.summary(request)}."
    queries = list(dict.fromkeys([*about, *_queries(request.steps), *request.unknown]))[:MAX_SEARCHES]
    found = request.actions()
    idle = request.trigger is None
    guessed = bool(found) and all(each.guessed or (idle and _aimless(each)) for each in found)
    return Intent(Planner().build(request), intro, queries, slots, request.unknown, guessed, idle)


def _aimless(action: Action) -> bool:
    """ "monitor our competitors": something to get, from nowhere."""
    return action.block == "http-request" and not action.payload.get("url")


def _rebuilt(said: Talk, request: Request, slots: list[Slot]) -> Intent:
    """A whole new request beside an existing workflow: the user said whether to add to it or to replace it."""
    replace = _only_trigger(said) or any(
        re.match(r"replace|new|start\s+over", given.strip(), re.I) for asked, given in said.answers if REPLACE in asked
    )
    if not replace:
        steps = extension.appended(said, request.steps)
        return Intent(
            steps,
            f"I add to the workflow: {speak.steps(request.steps)}.",
            _queries(request.steps),
            slots,
            request.unknown,
        )
    intent = _built(said, request, slots)
    order = [*reversed(said.nodes)]
    intent.plan.edits = [*(Edit("remove_node", {"nodeId": node_id}) for node_id in order), *intent.plan.edits]
    return intent


def _only_trigger(said: Talk) -> bool:
    return len(said.nodes) == 1


def _queries(steps: list[Step]) -> list[str]:
    found = [action.clause or action.block for action in actions(steps)]
    if any(isinstance(step, Branch) for step in steps):
        found.insert(0, "condition if")
    return list(dict.fromkeys(clause[:200] for clause in found))[:MAX_SEARCHES]
