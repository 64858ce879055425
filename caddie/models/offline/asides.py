"""What is said beside a question that is still open: a change of mind, or a question back; and what the clock says.

Invariant: nothing is built, and a question that was not answered is put again, unless it is called off. Callers:
``dialogue``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from zoneinfo import ZoneInfo

from caddie.models.offline import amendment, answers, inquiry, product, questions, recollection, speak, talk, thread
from caddie.models.offline.plan import Edit, Planner
from caddie.models.offline.reply import Reply
from caddie.models.offline.thread import Talk
from caddie.models.offline.understand import understand

_CLOCK = re.compile(
    r"^\W*(?:(?:do\s+you\s+know\s+|tell\s+me\s+)?what(?:['’]s|\s+is)?\s+(?:the\s+)?(?:current\s+)?(?:time|date|"
    r"day)(?:\s+(?:is\s+)?(?:it|today|now|right\s+now|"
    r"is\s+it(?:\s+(?:now|today|there))?))*|what\s+(?:day|date)\s+is\s+(?:it|today)(?:\s+today)?)\W*$",
    re.I,
)
#: A question about the question.
_BACK = re.compile(
    r"^\W*(?:what|which|how|why|huh|pardon|sorry|where|who|eh|for\s+example|like\s+what|such\s+as|"
    r"i\s+do\s*n[o'’]?t\s+(?:understand|get)|explain|do\s+i\s+(?:have|need)\s+to|"
    r"is\s+(?:that|this|it)\s+(?:needed|necessary|required)|can\s+i|does\s+it\s+have\s+to)\b",
    re.I,
)
_STOP = re.compile(
    r"\W*(?:please\s+)?(?:stop|pause|halt|disable|deactivate|(?:turn|switch)\s+(?:it|this|that)?\s*off)"
    r"(?:\s+(?:it|this|that|the\s+(?:workflow|flow)|everything|off|please|now|for\s+now))*\W*",
    re.I,
)
_DID = re.compile(
    r"^\W*(?:and\s+|so\s+)?what\s+(?:exactly\s+)?(?:did|have)\s+you\s+(?:just\s+)?(?:change|changed|do|"
    r"done|add|added|remove|removed)\b",
    re.I,
)
_MEANING = (
    (r"\(URL\)", "I need the address under which a program can read that: it begins with https://, and the "
     "documentation of the service calls it API or endpoint. For example: https://example.com/api/today."),
    (r"channel", "I need the name of the Slack channel the message goes to, such as #general; "
     "your Slack account is connected apart from that."),
    (r"address\b.*email", "I need the address of whoever should get the mail, such as ann@example.com; "
     "several with commas between."),
    (r"categories", "I need the names of the groups the texts are put into, for example “complaint, praise, other”."),
    (r"How long", "I need a length of time, such as “10 minutes” or “2 days”."),
    (r"Which fields", "I need the names of the data you want out of the text, for example “name, date, amount”."),
    (r"say\?", "I need the words of the message, as its reader should see them."),
    (r"ready workflow", "These are workflows that are prepared; I set up the one you name "
     "and you change it as you like, or say “none”."),
)  # fmt: skip
_LATER = " Say “later” and I leave it open."


def reply(said: Talk) -> Reply | None:
    """What to say to a message that neither answers the open question nor wishes for something else."""
    if _CLOCK.match(said.request):
        told = f"It is {said.context.now.astimezone(_zone(said)):%H:%M on %A, %d %B %Y} ({said.context.timezone})."
        return Reply(told)
    if _DID.search(said.request) and said.nodes:
        first = said.told.split("\n\n")[0].split("\n- ")[0] if re.match(r"I\s|New:", said.told) else ""
        return Reply(f"The last thing I did: {first}" if first else "In this conversation I have not changed it yet.")
    if not said.answers and said.nodes and _STOP.fullmatch(said.request):
        return Reply(product.told("how can I pause it", canvas=True) or "")
    if not said.answers and recollection.UNDO.fullmatch(said.request) and said.nodes:
        return Reply("I cannot tell what to take back: say what it should be, for example “remove the mail step” or "
            "“change the "
                     "time back to 8”.")  # fmt: skip
    if not said.asked:
        return None
    if answers.WITHDRAWN.fullmatch(said.request):
        return Reply(_dropped(said))
    if answers.SAME_WAY.fullmatch(said.request):
        return _again(said, "All right.")
    if inquiry.asks(said.request):
        return _again(said, _told(said))
    return None


def _zone(said: Talk) -> ZoneInfo:
    return ZoneInfo(said.context.timezone)


def _dropped(said: Talk) -> str:
    if thread.RUN_IT in said.asked:
        return "All right, I do not run it."
    if said.asked.endswith(thread.APPROVAL) or said.asked == thread.WHAT_ELSE:
        return "All right, I build nothing. Tell me when something else should happen."
    if said.nodes:
        return ("All right, I ask no more. What is built so far stays as it is, and what is open can be filled in "
                "any time; say “delete everything” if you do not want it.")  # fmt: skip
    return "All right. Tell me when something else should happen."


def _told(said: Talk) -> str:
    """The answer to a question that came instead of an answer."""
    start = said.start
    if said.asked.endswith(thread.APPROVAL) and said.earlier:
        planned = Planner().build(understand(said.earlier[-1], said.context.timezone, said.context.now))
        start = amendment.planned(start, planned.edits)
    aside = replace(said, context=replace(said.context, start=start), asked="")
    meaning = next((told for pattern, told in _MEANING if re.search(pattern, said.asked)), None)
    about = questions.about(aside) if start.get("nodes") else None
    if meaning and _BACK.match(inquiry.bare(said.request)) and (about is None or len(said.request.split()) < 7):
        return meaning + _LATER
    if start.get("nodes") and about is None and said.asked.endswith(thread.APPROVAL):
        return f"Nothing is built yet. The plan is this:\n{speak.explain(start)}"
    return (talk.answer(aside) or meaning or "").replace(f"\n\n{speak.OFFLINE}", "")


def _again(said: Talk, told: str) -> Reply | None:
    if not told:
        return None
    question = thread.APPROVAL if said.asked.endswith(thread.APPROVAL) else said.asked
    if thread.RUN_IT in question:
        return Reply(f"{told}\n\nIt is not run yet; say “run it” if it should.")
    calls = (Edit("ask_user", {"question": question, "allowText": True}),) if "ask_user" in said.tools else ()
    return Reply(f"{told}\n\n{question}", calls if question != thread.APPROVAL else ())
