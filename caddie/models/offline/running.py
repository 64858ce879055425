"""Running the workflow, and telling how a run went, with the offline model.

Invariant: it asks the tool to run and never claims a run it has not seen. Caller: ``dialogue``.
"""

from __future__ import annotations

import re
from typing import Any

from caddie.models.offline.plan import Edit
from caddie.models.offline.reply import Reply
from caddie.models.offline.thread import Talk

_IT = r"(?:it|this|that|the\s+(?:whole\s+)?(?:workflow|flow|automation|thing)|my\s+(?:workflow|flow|automation))"
_NOW = r"(?:\s+(?:now|once|right\s+now|please|for\s+me|again|a\s+(?:test\s+)?run|and\s+(?:see|show\s+me)\b.*))*"
_RUN = re.compile(
    r"^\s*(?:(?:ok(?:ay)?|great|good|now|please|and|so|then|can\s+you|could\s+you|let['’]?s|go\s+ahead\s+and)[\s,]+)*"
    rf"(?:(?:run|execute|start|launch|trigger|test|try(?:\s+out)?)\s+{_IT}{_NOW}|try\s+{_IT}\s+out{_NOW}|"
    rf"(?:do|make)\s+a\s+(?:test\s+)?run{_NOW}|give\s+{_IT}\s+a\s+(?:try|go|spin|test\s+run){_NOW}|run(?:\s+now)?)"
    r"[\s!.?]*$",
    re.I,
)
_WENT = re.compile(
    r"\b(?:last|latest|previous|recent)\s+(?:run|execution)s?\b|\bhow\s+did\s+(?:it|the\s+(?:run|execution|"
    r"workflow))\s+go\b|"
    r"\bwhy\s+did\s+(?:it|the\s+(?:last\s+)?(?:run|execution|workflow))\s+(?:fail|stop|break|crash)\b|"
    r"\bwhat\s+(?:happened|went\s+wrong)\s+(?:in|during|with)\s+the\s+(?:\w+\s+)?(?:run|execution)\b|"
    r"\blast\s+time\s+(?:it|this)\s+(?:ran|was\s+run|worked|fired|started)\b|\b(?:has|have)\s+(?:it|"
    r"this)\s+(?:ever\s+|already\s+|been\s+)*(?:run|ran)\b|"
    r"\bdid\s+(?:it|the\s+(?:run|execution|workflow))\s+(?:work|succeed|run|finish)\b",
    re.I,
)

#: A wish to run it at the end of another wish.
_AND_RUN = re.compile(
    rf"(?:\s*[,.;!\n]+\s*|\s+(?=(?:and|then)\b))(?:(?:and|then|also|please|afterwards|after\s+that|"
    rf"when\s+(?:you(?:['’]re|\s+are)|it(?:['’]s|\s+is))\s+"
    rf"(?:done|ready|finished),?)\s+)*(?:run|execute|test|try(?:\s+out)?)\s+{_IT}(?:\s+out)?"
    r"(?:\s+(?:now|once|right\s+(?:now|away)|straight\s+away|immediately|at\s+once|please|for\s+me|too|as\s+well|then|"
    r"a\s+first\s+time))*[\s.!]*$",
    re.I,
)

LATER = "I ask you whether to run it as soon as that is filled in."

#: How the agent tells of the execution it has just started itself.
_JUST = re.compile(r"\bthe execution (?P<id>\S+) failed(?: at the node (?P<node>\S+))?: (?P<error>.+)", re.S)
_CODES = (
    (r"to answer|connection|an answer", "UNAVAILABLE"), (r"connector|account", "CONNECTOR_MISSING"),
    (r"status 2xx", "REFUSED"),
)  # fmt: skip
#: Blocks with an address of their own.
_ADDRESSED = ("http-request", "send-webhook")


def reply(said: Talk) -> Reply | None:
    """What to do about a message that is about running; None for all others."""
    if not said.nodes or said.answers:
        return None
    if "run_workflow" in said.tools and _RUN.match(said.request):
        return _run(said)
    if "get_execution" in said.tools and said.context.mode != "repair" and _WENT.search(said.request):
        return _told(said)
    return None


def parted(text: str) -> tuple[str, bool]:
    """(what else is wished, whether it is to be run then): "…, and run it"."""
    match = _AND_RUN.search(text)
    rest = text[: match.start()].strip() if match else text
    return (rest, True) if match and len(rest.split()) > 2 else (text, False)


def after(said: Talk, report: dict[str, Any], told: str) -> Reply:
    """What was built, and the question whether to run it; or why it cannot be run yet."""
    if report.get("errors") or report.get("incomplete") or "run_workflow" not in said.tools:
        return Reply(f"{told}\n\nI have not run it: first what is open has to be filled in. Then say “run it”.")
    return Reply(told, (Edit("run_workflow", {}),))


def _run(said: Talk) -> Reply:
    asked = said.called("run_workflow")
    if not asked:
        return Reply(calls=(Edit("run_workflow", {}),))
    value = asked[-1].value
    lacking = value.get("incomplete", []) + value.get("errors", []) if isinstance(value, dict) else []
    reasons = [f"- {each.get('nodeId') or 'workflow'}: {each.get('message', '')}" for each in lacking]
    if not reasons:
        return Reply(f"I cannot run it: {value if isinstance(value, str) else 'it was refused'}.")
    return Reply("\n".join(["I cannot run it yet. This is still open:", *reasons]))


def _told(said: Talk) -> Reply:
    looked = said.called("get_execution")
    if not looked:
        return Reply(calls=(Edit("get_execution", {}),))
    found = looked[-1].value
    if not looked[-1].ok or not isinstance(found, dict):
        return Reply("This workflow has not been run yet, as far as I can see.")
    return Reply(" ".join(_sentences(found)))


def failed(said: Talk) -> Reply | None:
    """Of a workflow without a fault of its own: how its last execution failed and what to do; None if none did."""
    if "get_execution" not in said.tools:
        return None
    if (just := _JUST.search(said.request)) is not None:
        node_id, error = just.group("node"), just.group("error").strip()
        code = next((code for pattern, code in _CODES if re.search(pattern, error)), "")
        told = {"executionId": just.group("id"), "status": "failed", "errorNode": node_id, "error": error}
        told["errorCode"] = code
        return Reply(" ".join([*_sentences(told), _remedy(told, said)]))
    looked = said.called("get_execution")
    if not looked:
        return Reply("The workflow itself has no fault; I look at its last execution.", (Edit("get_execution", {}),))
    found = looked[-1].value
    if not looked[-1].ok or not isinstance(found, dict) or found.get("status") != "failed":
        return None
    return Reply(" ".join([*_sentences(found), _remedy(found, said)]))


def _remedy(found: dict[str, Any], said: Talk) -> str:
    node_id, code = found.get("errorNode"), str(found.get("errorCode"))
    block = (said.nodes.get(node_id) or {}).get("type") if node_id else None
    if code in ("UNAVAILABLE", "TIMEOUT") and block in _ADDRESSED:
        return f"If its address is wrong, tell me the right one (`use https://… in {node_id}`); else run it later."
    if code.startswith("CONNECTOR_"):
        return "Connect that account, then run it again."
    if code == "REFUSED":
        return f"The other side refused: check the address, the login and what is sent in `{node_id}`."
    where = f"`{node_id}` should do instead" if node_id else "to change"
    return f"I cannot tell the remedy by rules. Tell me what {where}, or run it again."


def _sentences(found: dict[str, Any]) -> list[str]:
    ended = f" at {found['finishedAt']}" if found.get("finishedAt") else ""
    verb = "failed" if found.get("status") == "failed" else f"is {found.get('status')}"
    told = [f"The last execution ({found.get('executionId')}) {verb}{ended}."]
    steps = found.get("steps") or []
    done = [step["nodeId"] for step in steps if step.get("status") == "success"]
    if done:
        told.append(f"These nodes succeeded: {', '.join(dict.fromkeys(done))}.")
    if found.get("errorNode"):
        told.append(f"The node {found['errorNode']} failed: {str(found.get('error')).rstrip('.')}.")
    elif found.get("error"):
        told.append(f"It failed: {str(found['error']).rstrip('.')}.")
    waiting = [step["nodeId"] for step in steps if step.get("status") == "waiting"]
    if waiting:
        told.append(f"It waits at {', '.join(waiting)}.")
    return told
