"""What a message says when the verb says it: "thank them for the order", "remind everyone about the meeting".

Invariant: the words are the request's own, in the form they are said in. Callers: ``notices``, ``actions``.
"""

from __future__ import annotations

import re

from caddie.models.offline import words

PERSON = (
    r"(?:me|us|him|her|them|everyone|everybody|someone|somebody|(?:the|a|an|my|our|each|every|all|their|that|this)\s+"
    r"(?:[\w-]+\s+){0,2}?[\w-]+|[\w-]+s)"
)
WHERE = re.compile(
    r"\s+(?:(?:by|via|over|as\s+an?|in\s+an?)\s+(?:e-?mail|mail|slack|discord|message)|(?:on|in|to|into|over|at)\s+"
    r"(?:(?:the|our|my)\s+)*(?:inbox|mailbox|slack|discord|channel|#|\x00|[\w.+-]+@|[\w-]+\s+channel)|to\s+(?:me|"
    r"us|my|our|the\s+team|"
    r"everyone)\b).*$",
    re.I,
)
_PERFORMED = re.compile(
    rf"^(?:also\s+)?(?:(?P<verb>thank|congratulate|apologi[sz]e(?:\s+to)?|welcome|greet|invite|ask)\s+(?:{PERSON})"
    r"(?:\s+(?:in|on|via|by)\s+\S+)?(?:\s+(?:(?P<joint>for|on|to|about|whether|if|how|what|when|"
    r"that)\s+(?P<rest>.+)|(?:by|via|on|in|at)\b.*)?)?|"
    r"(?:ask)\s+(?P<joint2>for|whether|if|how)\s+(?P<rest2>.+)|(?:say|shout|wish)\s+(?P<rest3>.+?)\s+(?:in|on|to|into)"
    r"\s+(?:#|slack|discord|the\s|our\s).*)$",
    re.I | re.S,
)
#: "send them a reminder to hand in …", "email a@b.c to deliver …".
_WANTED = re.compile(
    r"(?:\b(?:reminder|nudge|request|invitation)(?:\s+(?:e-?mail|mail|message|note))?|^(?:e-?mail|mail|write(?:\s+to)?|"
    r"message)\s+\S+@\S+)\s+to\s+((?!(?:me|us|him|her|them|the|my|our|your|their|an?|all|every\w*|each|#)\b)[a-z]+\s+"
    r"(?!at\b)[^@#]+)$",
    re.I,
)
_ASKING = re.compile(
    r"\basking\s+(?:them\s+|him\s+|her\s+|everyone\s+)?(for|whether|if|how|to|what|when|why|"
    r"where|which)\s+(.+)$",
    re.I,
)
_REMINDING = re.compile(
    r"\b(?:reminding|telling|informing|warning|notifying)\s+(?:them|him|her|everyone|everybody|people|us|me|"
    r"the\s+\w+)\s+(to|that|of|about)\s+(.+)$",
    re.I,
)
#: Messages whose kind says what they say.
_KINDS = (
    (re.compile(r"\bthank[- ]?you\b|\bthanks\b", re.I), "Thank you!"),
    (re.compile(r"\bcongratulations?\b", re.I), "Congratulations!"),
    (re.compile(r"\bbirthday\s+(?:e-?mail|mail|message|note|card|greetings?|wish(?:es)?)\b", re.I), "Happy birthday!"),
    (re.compile(r"\b(?:an?\s+apology|apology\s+(?:e-?mail|mail|message|note))\b", re.I), "We apologize!"),
)
_ABOUT = re.compile(
    rf"^(?:also\s+)?remind\s+(?:(?:{PERSON}|[#@][\w-]+|\S+@\S+)\s+)?(?:(?:in|on|via|by)\s+(?:the\s+|"
    rf"our\s+)?\S+\s+(?:channel\s+)?){{0,2}}"
    r"(?:about|of)\s+(.+)$",
    re.I | re.S,
)
_WISHED = re.compile(rf"^wish\s+(?:{PERSON})\s+(?:an?\s+)?(.+)$", re.I)
_LEADS = {
    "thank": "Thank you", "congratulate": "Congratulations", "apologize": "We apologize", "welcome": "Welcome",
    "apologise": "We apologize", "greet": "Hello", "invite": "You are invited",
}  # fmt: skip
_LINK = re.compile(
    r"((?:(?:the|our|my|this|a)\s+)?(?:[\w-]+\s+){0,2}?(?:link|url|form|survey|page|address|document|website))\s*"
    rf"(?:to\s+\w+\s+|of\s+\w+\s+)?[:(]?\s*({words.URL.pattern})",
    re.I,
)


def performed(clause: str) -> str | None:
    """What is said to somebody, of a verb that is done by saying it: "thank them for the order"."""
    if reminding := _REMINDING.search(clause):
        joint, rest = reminding.group(1).lower(), reminding.group(2).strip(" .")
        return {"to": f"Please {rest}.", "that": f"{words.sentence(rest)}."}.get(joint, f"Reminder: {rest}")
    if (wanted := _WANTED.search(clause)) and not words.url(wanted.group(1)):
        return f"Please {wanted.group(1).strip(' .')}."
    if asking := _ASKING.search(clause):
        joint, rest = asking.group(1).lower(), asking.group(2).strip(" .")
        told = {"for": f"We would like to ask for {rest}.", "to": f"Please {rest}."}
        return told.get(joint, f"We would like to know {joint} {rest}.")
    if about := _ABOUT.match(clause):
        return f"Reminder: {WHERE.sub('', f' {about.group(1)}').strip(' ,.')}"
    if wish := _WISHED.match(clause):
        return f"{words.sentence(WHERE.sub('', f' {wish.group(1)}').strip(' ,.'))}!"
    match = _PERFORMED.match(clause)
    if match is None and re.match(r"(?:also\s+)?(?:send|e?-?mail|mail|write|post|give|reply|respond)\b", clause, re.I):
        return next((said for kind, said in _KINDS if kind.search(clause)), None)
    if match is None:
        return None
    verb = (match.group("verb") or clause).split()[0].lower()
    joint = (match.group("joint") or match.group("joint2") or "").lower()
    said = match.group("rest") or match.group("rest2") or match.group("rest3") or ""
    rest = WHERE.sub("", f" {said}").strip(" ,.")
    if verb == "ask":
        told = {"for": f"We would like to ask for {rest}.", "to": f"Please {rest}."}
        return told.get(joint, f"We would like to know {joint} {rest}.") if joint and rest else None
    if verb in ("say", "shout", "wish"):
        return words.sentence(rest) if rest and joint == "" else None
    lead = _LEADS[verb]
    if re.search(r"\bby\s+(?:their\s+|his\s+|her\s+)?(?:first\s+)?name\b", clause, re.I):
        return f"{lead}, {{name}}!"
    if verb == "invite" and not rest:
        return None
    return f"{lead} {joint} {rest}.".replace("  ", " ") if rest and joint else f"{lead}!"


def linked(clause: str) -> str | None:
    """ "with the link https://…": an address that is told, not called."""
    match = _LINK.search(clause)
    return f"{words.sentence(match.group(1))}: {match.group(2)}" if match else None
