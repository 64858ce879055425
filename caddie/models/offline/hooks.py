"""How a request speaks of the webhook that starts its workflow, apart from "when …".

Invariant: what is sent to an address of somebody else is none of these. Callers: ``starts``.
"""

from __future__ import annotations

import re

from caddie.models.offline.request import Trigger

NAMED = re.compile(
    r"(?:\b(?:that|which)\s+(?:(?:we|i)\s+(?:get|receive)|arrives?|comes?(?:\s+in)?|reach(?:es)?(?:\s+us)?|is|are)\s+)?"
    r"(?:(?:\b(?:sent|posted|submitted|delivered|received|coming(?:\s+in)?|arriving|reported)\s+)?\b(?:with|using|via|"
    r"from|on|by|over|through)(?:\s+what)?|\b(?:described|given|named|contained|mentioned|provided|included|"
    r"listed|found)\s+in|\b(?:sent|posted|submitted|delivered|reported|coming(?:\s+in)?|"
    r"arriving)\s+(?:in\s+)?(?:to|"
    r"at|into))\s+(?:an?\s+|the\s+|our\s+|my\s+)?(?:[\w-]+\s+){0,2}?"
    r"(?:web\s?hook|(?:contact|web|website|online|order|booking|application|feedback|support|signup|"
    r"sign-up)\s+form)(?:\s+trigger)?\b"
    r"(?:\s+(?:that|which|to))?(?:\s+(?:delivers|sends|brings|contains|gets|receives|carries))?",
    re.I,
)
#: "…: our community tool calls a webhook, …"
CALLS = re.compile(
    r"\b(?:that|which)\s+(?:hits?|reach(?:es)?|calls?)\s+(?:our|the|an?|my)\s+(?:\w+\s+)?web\s?hook\b|"
    r"\b(?:our|the|my|an?)\s+(?:[\w-]+\s+){1,4}?(?:calls?|hits?|posts?\s+to|triggers?|uses?)\s+(?:an?|the|our|"
    r"this)\s+web\s?hook\b(?:\s+(?:when|whenever|"
    r"each|every|for|with|on)\b[^,.;]*)?",
    re.I,
)
#: "receives messages from our form's webhook and …": the event, told as the first thing it does.
RECEIVES = re.compile(
    r"^(?!(?:take|get)\s+(?:the|only|just|out)\b)(?:it\s+)?(?:receives?|gets?|takes?|accepts?|listens?\s+(?:to|"
    r"for|on)|waits?\s+for|watch(?:es)?)\s+[^,.;\n]*?\b"
    r"web\s?hook\b(?:\s+(?:calls?|requests?|events?))?",
    re.I,
)
#: "a webhook that takes an order, …"
TAKES = re.compile(
    r"^(?:(?:i|we)\s+(?:want|need|would\s+like)\s+)?(?:(?:build|make|create|set\s+up|give)\s+(?:me\s+|"
    r"us\s+)?)?(?:an?\s+|the\s+|our\s+)?(?:web\s?)?hook\s+(?:(?:that|which|to)\s+)?(?:takes?|receives?|gets?|accepts?|"
    r"collects?|catch(?:es)?|"
    r"listens?\s+(?:to|for)|is\s+called\s+with|handles?)\b[^,.;:\n]*?(?=[,.;:\n]|\s+and\s)",
    re.I,
)
#: "Build a form handler: …", "a trigger for Shopify orders that …"
HANDLES = re.compile(
    r"^(?:(?:i|we)\s+(?:want|need|would\s+like)\s+|(?:build|make|create|set\s+up|give)\s+(?:me\s+|"
    r"us\s+)?)?(?:an?\s+|the\s+)?(?:"
    r"(?:[\w-]+\s+)?form\s+(?:handler|intake|processor|endpoint|receiver)\b\s*[:,]?\s*(?:(?:that|which|to)\s+)?"
    r"(?:(?:take|receive|collect|accept)s?\s+(?:the\s+|in\s+)*(?:submissions?|entries|answers|data)\s*(?:and\s+|"
    r",\s*))?|"
    r"(?:trigger|hook|listener)\s+(?:for|on)\s+[^,.;:\n]{3,40}?(?:\s+(?:that|which|to)\s+|\s*[:,]\s*))",
    re.I,
)
#: "new followers on Instagram should be announced …"
NEWS = re.compile(
    r"^(?:(?:any|all|every)\s+)?new\s+(?!(?:york|zealand|year)\b)[\w' -]{2,40}?\s+"
    r"(?:should|must|shall|have\s+to|need\s+to|are\s+to|is\s+to|gets?|"
    r"go(?:es)?|will)\b",
    re.I,
)
#: "the contact form on our homepage should write to #leads"
FORM = re.compile(
    r"^(?:the|our|my)\s+(?:[\w-]+\s+){0,2}?form(?:\s+(?:on|of|from|at)\s+[\w' -]{2,30}?)?\s+(?:should|"
    r"must|shall|has\s+to|needs\s+to|is\s+to)\s+"
    r"(?P<verb>write|post|send|go|mail|e-?mail|report|log)\b\s*(?=to\b|in\b|into\b)",
    re.I,
)
_KINDS = (
    r"(?:messages?|e-?mails?|mails?|orders?|tickets?|requests?|leads?|reviews?|sign-?ups?|complaints?|questions?|"
    r"enquir(?:y|ies)|inquir(?:y|ies)|applications?|bookings?|events?|invoices?|reports?|submissions?|feedback|"
    r"registrations?|subscriptions?|payments?|comments?|notifications?)"
)
#: A webhook by its name, where nothing else says what starts the workflow.
_CALLED = re.compile(
    r"\b(?:the|our|my|each|every|all|any)\s+(?:[\w-]+\s+){0,2}?web\s?hook(?:'s)?\s+(?:calls?|requests?|events?|"
    r"payloads?|body|bodies|data|posts?|"
    r"messages?|is\s+(?:called|hit|triggered|fired|used)|gets\s+(?:called|hit|triggered|data)|fires|receives|"
    r"delivers|brings|sends)\b|"
    r"\b(?:body|payload|data|contents?|text|messages?)\s+of\s+(?:the|our|my)\s+(?:\w+\s+)?web\s?hook\b|"
    r"\bwhat(?:ever)?\s+(?:people|they|users?|customers?|someone|we|guests?)\s+\w+\s+(?:in|into|to|at)\s+(?:the|"
    r"our|my)\s+web\s?hook\b|"
    r"\b(?:every|each|any)\s+(?:new\s+|incoming\s+)?(?:[\w-]+\s+){0,2}?web\s?hook\b|\bincoming\s+web\s?hook\b",
    re.I,
)
#: Things that come by themselves.
INCOMING = re.compile(
    rf"\b(?:incoming|inbound|(?:every|each|all|any)\s+(?:new|incoming))\s+(?:[\w-]+\s+){{0,2}}?{_KINDS}\b|"
    rf"\b(?:each|every|any|all)\s+(?:new\s+)?(?:[\w-]+\s+){{0,2}}?form\s+(?:entry|entries|submissions?|fill-?outs?)\b|"
    r"^(?:take|read|use|receive)\s+the\s+(?:incoming\s+)?(?:message|body|payload|input|form\s+data|submission)\b|"
    rf"^(?:[\w-]+\s+){{1,4}}?(?:events?|notifications?|submissions?|"
    rf"callbacks?)\s+(?:from\s+[\w-]+\s+)?(?:should|must|are\s+to|need|"
    rf"have\s+to|get|go)\b",
    re.I,
)
#: Where it is answered, it is a chat, or somebody is asked.
_ANSWERED = re.compile(
    r"\b(?:back|reply|replies|respond|"
    r"(?<!draft an )(?<!write an )(?<!the )(?<!suggest an )answer)\b",
    re.I,
)


def incoming(text: str) -> Trigger | None:
    """What comes by itself comes over a webhook, unless it is fetched or answered."""
    if _CALLED.search(text):
        return Trigger("webhook")
    fetched = re.search(
        r"\b(?:fetch|get|load|download|read|pull|call|from|at|in|"
        r"on)\s+(?:[\w'-]+\s+){0,3}?https?:",
        text,
        re.I,
    )
    if not INCOMING.search(text) or fetched or _ANSWERED.search(text):
        return None
    return Trigger("webhook")
