"""How a turn ends: the result that its last event carries.

Invariant: a result names everything that is wrong with the workflow the turn leaves. Callers: the loop.
"""

from __future__ import annotations

from caddie.agent.mask import Mask
from caddie.agent.workspace import Workspace
from shared.catalog import Catalog
from shared.events import IncompleteField, RunResult, ValidationFault
from shared.validation import Issue

STOPPED = "I stopped here: this turn has reached its limit. What is done so far is kept; write “go on” to continue."
DECLINED = "The model declined to answer this."


def result(workspace: Workspace, catalog: Catalog, text: str, mask: Mask) -> RunResult:
    """The workflow only when the turn touched it."""
    if not workspace.touched:
        return RunResult(message=text)
    issues = workspace.issues(catalog)
    return RunResult(
        type="workflow",
        workflow=workspace.current.wire(),
        message=text,
        incompleteFields=tuple(
            IncompleteField(nodeId=issue.nodeId or "", field=issue.field or "", message=mask.hide(issue.message))
            for issue in issues
            if issue.severity == "incomplete"
        ),
        validationErrors=tuple(
            ValidationFault(nodeId=issue.nodeId, message=mask.hide(issue.message)) for issue in errors(issues)
        ),
    )


def errors(issues: list[Issue]) -> list[Issue]:
    return [issue for issue in issues if issue.severity == "error"]


def remaining(issues: list[Issue]) -> str:
    """What the model is told of errors it has left."""
    lines = [f"- {issue.nodeId or 'workflow'} {issue.field or ''}: {issue.message}" for issue in issues[:20]]
    return "These errors remain in the workflow. Repair them, then close with your summary:\n" + "\n".join(lines)
