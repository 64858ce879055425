"""One way of wishing a change for the many that people have: "we moved from Slack to Discord", "Discord, not Slack".

Invariant: as in ``paraphrase``. Callers: ``change``.
"""

from __future__ import annotations

import re

from caddie.models.offline import judgement, words

_PLACE = (
    r"(?:(?:the|our|my)\s+)?(?:e-?mails?|mails?|slack(?:\s+messages?)?|discord(?:\s+messages?)?|web\s?hooks?|logs?|"
    r"the\s+chat)(?:\s+(?:step|message|channel))?"
)
_DAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?|weekdays?|weekends?|workdays?|daily|hourly|weekly|monthly"
_TIDY = (
    r"(?:\s*[,.;]?\s*(?:so\s+|and\s+)?(?:please\s+|can\s+you\s+|could\s+you\s+)?(?:update|adapt|adjust|change|fix|"
    r"switch|"
    r"rework)\b(?:\s+(?:it|that|this|the\s+\w+|everything|accordingly|too|please|for\s+that))*)?\s*$"
)
_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.I), to)
    for pattern, to in (
        (rf"^(?:we|i|they|(?:our|the|my)\s+\w+)\s+(?:have\s+|has\s+|are\s+|is\s+)?(?:just\s+|now\s+|all\s+|"
            rf"recently\s+)*"
         rf"(?:switch|mov|migrat|chang|go|went)(?:ed|ing|e)?\s+(?:over\s+|"
         rf"away\s+)?from\s+({_PLACE})\s+to\s+({_PLACE}){_TIDY}",
         r"replace \1 with \2"),
        (rf"^(?:we|i|they|(?:our|the|my)\s+\w+)\s+(?:do\s+not|no\s+longer|stopped|never|quit)\s+(?:us(?:e|ing)|"
            rf"read(?:ing)?|"
         rf"check(?:ing)?|look(?:ing)?\s+at)\s+({_PLACE})(?:\s+any\s*more|\s+any\s*longer|"
         rf"\s+now)?\s*[,;.]?\s*(?:(?:and|but|so)\s+)?"
         rf"(?:please\s+)?(?:we\s+)?(?:use|take|it\s+is|switch\s+to|make\s+it|go\s+with|everything\s+is\s+on)\s+"
         rf"({_PLACE})(?:\s+(?:now|instead))?{_TIDY}", r"replace \1 with \2"),
        (rf"^({_PLACE})\s*,?\s*(?:instead\s+of|rather\s+than|"
         rf"not)\s+({_PLACE})(?:\s+please)?\s*$", r"replace \2 with \1"),
        (rf"^(?:can|could|may)\s+(?:we|i|you|it)\s+(?:have|get|use|do|make\s+it|"
            rf"send)\s+(?:an?\s+)?({_PLACE})\s+(?:instead\s+of|rather\s+"
         rf"than)\s+(?:an?\s+)?({_PLACE})\s*\??$", r"replace \2 with \1"),
        (r"^(?:send|e?-?mail|give|forward)\s+(\x00+)\s+an?\s+copy(?:\s+of\s+[^,;]+)?$", r"send it to \1 too"),
        (r"^no\s+(?:more\s+)?([\w ]{3,30}?)\s*[,;.]\s*(?:but\s+|and\s+|rather\s+)?"
         r"((?:send|post|e?mail|use|notify|message|tell|write|ping)\b.+?)"
         r"(?:\s+instead)?$", r"\2 instead of \1"),
        (r"^(?:do\s+not|no\s+longer|never|stop)\s+(?:bother|send|post|mail|e?mail|use|notify|message|tell|write|sending|posting|"
         r"mailing|using)\s+(?:it\s+|that\s+|this\s+)?(?:to\s+|in\s+|on\s+|by\s+|"
         r"via\s+)?([^,;.]+?)\s*[,;.]\s*(?:but\s+|and\s+|rather\s+)?"
         r"((?:send|post|e?mail|use|notify|message|tell|write|ping)\b.+?)(?:\s+instead)?$", r"\2 instead of \1"),
        # "1.2, not 1.1" and "1.1 should become 1.2" are read where numbers are.
        (r"^(?:the\s+)?(?:time|schedule|start)\s+(?:should|must|has\s+to|needs\s+to)\s+(?:be|become|"
         r"change\s+to)\s+", "run it at "),
        (r"^(?:it|this|that)\s+(?:is|was|will\s+be)\s+(?:now\s+)?(?:supposed|meant)\s+to\s+(?:be\s+)?(?=run|start|"
         r"go|send|post|mail)", ""),
        (rf"^(?:(?:only|just|but)\s+)*(?:on\s+)?((?:{_DAY})(?:\s*(?:,|and|or|to|through|"
            rf"-)\s*(?:{_DAY}))*(?:\s+only)?(?:\s+at\s+[\d:.]+\s*(?:am|pm)?)?)$",
         r"make it \1"),
        (r"^(?:there\s+is\s+)?(?:no\s+need\s+(?:for\s+(?:it|this|that|\w+)\s*|to\s+run\s*(?:it)?\s*)?|(?:it\s+|that\s+)?"
         r"(?:does\s+not|should\s+not|need\s+not|do\s+not)\s+(?:need\s+to\s+)?(?:run|send|post|come|start|do)\s*(?:it|this|that|anything)?|not)"
         r"\s*(?:on|at|over|during)\s+(?:the\s+)?weekends?\b.*$", "run it only on weekdays"),
        (r"^(?:working|work|week)\s?days\s+(?:are|is)\s+(?:enough|fine|sufficient)$", "run it only on weekdays"),
        (r"^(?:only\s+)?(?:read|check|fetch|look|run|send|post|mail|do|get|ask)\b[^,;.@#\x00]{0,40}?\s+"
         r"(every\s+[\w ]+?|"
         r"hourly|daily|weekly|once\s+an?\s+\w+|twice\s+an?\s+\w+)\s+(?:instead\s+of|rather\s+than)\s+(?:every|each|once|twice|hourly|daily|weekly|"
         r"monthly)\b[\w ]*$", r"run it \1"),
        (r"^(?:do\s+not|no\s+longer|never|stop)\s+(?:post|send|posting|sending|write|writing)\s+(?:it\s+|that\s+|this\s+|anything\s+)?"
         r"(?:to\s+|on\s+|in\s+|via\s+|by\s+)?(?:our\s+|the\s+)?(discord|slack)(?:\s+any\s?more|"
         r"\s+any\s?longer)?$", r"remove the \1 message"),
        (r"^(?:check|look|run|do\s+it|read\s+it|send\s+it)\s+(?:in\s+the\s+\w+\s+)?at\s+([\d:.]+)\s*(?:o['’]clock\s*)?(?:as\s+well|too|also)?"
         r"\s*,?\s*(?:and\s+)?not\s+(?:only|just)\s+at\s+([\d:.]+)$", r"run it at \2 and \1"),
        (rf"^(?:send|post|put|deliver)\s+(?:the\s+|it\b|this\b|that\b)?[\w -]{{0,30}}?\s*(?:to|in|into|on)\s+"
         rf"(?:(?:the|our)\s+)?(?:slack\s+)?"
         rf"(?:channel\s+)?(#[\w-]+)(?:\s+(?:on|in)\s+slack)?\s+(?:instead\s+of|rather\s+than)\s+(?:by\s+|via\s+|in\s+an?\s+)?"
         rf"({_PLACE})$", r"use Slack \1 instead of \2"),
        (r"^(?:the\s+)?([a-z]+)\s+(?:questions?|messages?|requests?|mails?|e-?mails?|ones)\s+(?:should|must|shall|have\s+to|need\s+to)\s+"
         r"(?:now\s+)?(?:go|be\s+(?:sent|mailed|forwarded))\s+to\s+(\x00+)\s+(?:from\s+now\s+on|now|instead|in\s+future)$",
         r"change the address of the \1 mail to \2"),
        (r"^(?:and\s+)?also\s+(?:by|via|per)\s+(?:e-?mail|mail)$", "also email it"),
        (r"^(?:and\s+)?also\s+(?:in|on|to|via)\s+(slack|discord)$", r"also post it to \1"),
        (r"^(?:what|how)\s+about\s+(\d[\d.,:]*(?:\s*(?:am|pm))?)(?:\s+instead)?\s*\??$", r"make it \1"),
        (r"^i\s+(?:would\s+)?(?:rather|prefer|like)\s+(?:to\s+)?(?:have|get|see|receive)\s+(.+?)\s+(?:instead\s+of|"
            r"rather\s+than)\s+(.+)$",
         r"use \1 instead of \2"),
    )
)  # fmt: skip


#: "tell me when the call fails": the condition behind what to do.
_WHEN = re.compile(
    r"^(?P<what>(?:also\s+)?(?:tell|notify|send|post|e?mail|mail|ping|let|warn|alert|message|log|write|"
    r"inform)\b.+?)\s+(?:if|when(?:ever)?|in\s+case|"
    r"as\s+soon\s+as|once|every\s+time|each\s+time)\s+(?P<test>.+)$",
    re.I,
)


def text(said: str) -> str:
    """A wish for a change; quotes and addresses stay as they are."""
    if (when := _WHEN.match(words.masked(said))) and judgement.failed(said[slice(*when.span("test"))]):
        return f"if {said[slice(*when.span('test'))]}, {said[slice(*when.span('what'))]}"
    for pattern, to in _RULES:
        match = pattern.search(words.masked(said))
        if match is None:
            continue
        groups = [said[slice(*match.span(at))] for at in range(len(match.groups()) + 1)]
        told = re.sub(r"\\(\d)", lambda each, groups=groups: groups[int(each.group(1))], to)  # type: ignore[misc]
        return f"{said[: match.start()]}{told}{said[match.end() :]}".strip()
    return said
