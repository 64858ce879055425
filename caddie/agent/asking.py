"""What the agent asks the user: a question, or a plan to approve; as an event, as text, and as facts of the next turn.

Invariant: whoever only reads texts can answer too. Callers: the turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from caddie.agent import running
from caddie.agent.arguments import AskUser, ProposePlan, RunWorkflow
from caddie.agent.modes import PlanAnswer
from shared.events import Mode
from shared.workflows import Definition

Question = AskUser | ProposePlan | RunWorkflow
APPROVE = "approve"
CHANGE = "change"
APPROVAL = "Shall I build it?"


def request(
    question: Question, mode: Mode, definition: Definition
) -> tuple[str, Literal["question", "plan"], dict[str, Any]]:
    """(what the text must hold, kind and body of the event)."""
    if isinstance(question, RunWorkflow):
        asked = running.body(question, definition)
        return asked["text"], "question", asked
    if isinstance(question, ProposePlan):
        options = [{"value": APPROVE, "label": "Approve"}, {"value": CHANGE, "label": "Change it"}]
        steps = [step.model_dump(exclude_none=True) for step in question.steps]
        return question.summary, "plan", {
            "text": question.summary, "steps": steps, "options": options, "allowText": True,
        }  # fmt: skip
    body: dict[str, Any] = {
        "text": question.question,
        "options": [option.model_dump() for option in question.options],
        "allowText": question.allowText,
    }
    return question.question, "question", {**body, "mode": mode} if mode == "planning" else body


def text(question: Question, definition: Definition) -> str:
    if isinstance(question, RunWorkflow):
        return str(running.body(question, definition)["text"])
    if isinstance(question, AskUser):
        return question.question
    return f"{question.summary}\n\n{outline([step.model_dump() for step in question.steps])}\n\n{APPROVAL}"


def outline(steps: object) -> str:
    """The steps of a plan as a numbered list."""
    lines = []
    for number, step in enumerate(steps if isinstance(steps, list) else (), 1):
        block = f" ({step['block']})" if step.get("block") else ""
        detail = f": {step['detail']}" if step.get("detail") else ""
        lines.append(f"{number}. {step.get('title', '')}{block}{detail}")
    return "\n".join(lines)


def facts(asked: Mapping[str, Any], plan: PlanAnswer | None) -> dict[str, str]:
    """What the model is told of the question this turn answers."""
    if plan is None:
        return {"your question": str(asked.get("text", ""))}
    steps = f"{asked.get('text', '')}\n{outline(asked.get('steps'))}"
    if plan == "approved":
        return {"approved plan, build exactly this": steps}
    return {"your plan, which the user wants changed: propose the changed plan": steps}
