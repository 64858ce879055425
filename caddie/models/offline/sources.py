"""Things of the outside world that no block watches by itself: mailboxes, sheets, folders, feeds, prices.

Invariant: it says who has to call the webhook, or how often the workflow looks, and never claims to watch by itself.
Callers: ``starts``, ``dialogue``.
"""

from __future__ import annotations

import re

from caddie.models.offline.request import Action, Branch, Loop, Step, Trigger

#: (what an event is about, what nothing here watches, who can call)
_KINDS: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(pattern, re.I), what, who)
    for pattern, what, who in (
        (r"\b(?:spread\s?sheets?|sheets?|excel|airtable|notion|smartsheet|(?:data\s?base|table)\b.*\b(?:row|record|entry|line)s?|"
         r"(?:row|record|line)s?\b.*\b(?:table|data\s?base|list|file))\b", "sheets and tables",
         "a script in the sheet, or a service such as Zapier or Make,"),
        (r"\b(?:in-?box(?:es)?|mail\s?box(?:es)?|gmail|outlook|(?:e-?)?mails?|newsletter\s+(?:arrives|comes)|attachments?)\b(?!\s+(?:address|form)\b)",
         "mailboxes", "your mail provider, or a service such as Zapier or Make,"),
        (r"\b(?:dropbox|google\s+drive|one\s?drive|share\s?point|box\.com|s3|bucket|ftp|(?:shared\s+)?folders?|files?|documents?|scans?|photos?|pictures?)\b"
         r"(?!.*\b(?:form|web\s?hook)\b)", "files and folders", "your storage, or a service such as Zapier or Make,"),
        (r"\b(?:you\s?tube|instagram|twitter|tweets?|tiktok|facebook|linkedin|reddit|mastodon|podcasts?|twitch|pinterest|spotify)\b",
         "social networks", "a service such as Zapier or Make"),
        (r"\b(?:rss|atom|blogs?|feeds?)\b", "feeds", "a service that reads the feed"),
        (r"\b(?:calendar|meeting\s+(?:starts|begins|is)|appointment\s+(?:starts|begins|is\s+(?:coming|due)))\b",
         "calendars",
         "your calendar, or a service such as Zapier or Make,"),
        (r"\b(?:slack|discord|teams|whats\s?app|telegram|sms|text\s+message|phone\s+call|signal)\b", "other messengers",
         "the messenger, or a service such as Zapier or Make,"),
    )
)  # fmt: skip
#: "keep an eye on my inbox and …", "go through our mails for …"
_INBOX = re.compile(
    r"^(?:please\s+)?(?:keep\s+an\s+eye\s+on|watch|monitor|go\s+through|look\s+(?:at|into|through|in)|read|check|"
    r"scan|observe|track|"
    r"follow)\s+(?P<what>(?:(?:my|our|the|all|new|incoming|support|shared|company|work|private)\s+)*(?:gmail\s+|"
    r"outlook\s+)?"
    r"(?:in-?box|mail\s?box|e-?mails?|mails?|gmail|outlook)(?:\s+account)?)\b(?P<which>\s+for\s+[^,.;:]+?|"
    r"\s+from\s+[^,.;:]+?)?"
    r"(?:\s*[,.;:]\s*(?:and\s+)?|\s+and\s+|\s+to\s+(?=\w)|\s*$)",
    re.I,
)
#: A wish that stands until further notice.
_STANDING = re.compile(
    r"\b(?:when(?:ever)?|as\s+soon\s+as|once|the\s+(?:moment|minute|second)|monitor|watch|keep\s+(?:an\s+eye|track|"
    r"tabs|watch)|track|"
    r"every\s+time|each\s+time|any\s*time|observe|(?:let|notify|tell|alert|warn|inform|ping|message|text|e?mail)"
    r"\s+(?:me|us|#?\w+)"
    r"(?:\s+[^.;]{0,60}?)?\s+(?:if|when|should))\b|^(?:if|should|in\s+case)\b",
    re.I,
)
EVERY_HOUR = "FREQ=HOURLY;BYMINUTE=0"


def caveat(event: str) -> str:
    """What the user has to see to when an event is of a kind that no block watches."""
    for pattern, what, who in _KINDS:
        if pattern.search(event):
            said = re.sub(r"\s+", " ", event).strip(" .,:")
            return (
                f"no block watches {what} by itself, so it starts with a webhook: {who} has to call its address "
                f"whenever “{said}”"
            )
    return ""


#: "forward every email with … in the subject to …"
_EVERY_MAIL = re.compile(
    r"^(?:please\s+)?(?P<verb>forward|send|post|log|summari[sz]e|classify|share|pass)\s+(?:on\s+)?(?P<what>(?:every|"
    r"each|all|any)\s+(?:new\s+|incoming\s+|my\s+|our\s+)*"
    r"(?:e-?mails?|mails?)(?:\s+(?:that\s+)?(?:i|we)\s+(?:get|receive))?)\b"
    r"(?:\s+(?:with|containing|that\s+(?:has|have|contains?))\s+(?P<word>\x00+)\s+in\s+(?:the\s+|its\s+|"
    r"their\s+)?(?P<field>subject|title|body|text)s?)?",
    re.I,
)


def every_mail(text: str, shadow: str) -> tuple[Trigger, str] | None:
    """What is done with every mail that comes in, and the request without that."""
    match = _EVERY_MAIL.match(shadow)
    if match is None or re.search(r"https?:", text[: match.end()]):
        return None
    told = f"{match.group('verb')} it{text[match.end() :]}"
    if match.group("word"):
        told = f"if the {match.group('field')} contains {text[slice(*match.span('word'))]}, {told}"
    event = "a mail comes in"
    return Trigger("webhook", event=event, note=caveat(event)), told


def mailbox(text: str) -> tuple[Trigger, int] | None:
    """ "keep an eye on my inbox and …": mails come in over a webhook; and where it ends."""
    match = _INBOX.match(text)
    if match is None:
        return None
    which = re.sub(r"^\s+for\s+", " that is about ", match.group("which") or "")
    event = f"a mail comes into {match.group('what')}{which}"
    return Trigger("webhook", event=event, note=caveat(event)), match.end()


def looked_for(text: str, steps: list[Step], timezone: str) -> Trigger | None:
    """ "tell me when the price is below 100": what is to be looked at again and again, where no time is named."""
    if not _STANDING.search(text) or not steps or re.search(r"\b(?:approv\w+|once\s+only|this\s+once)\b", text, re.I):
        return None
    first = steps[0]
    if not isinstance(first, Action) or first.block not in ("http-request", "web-search"):
        return None
    if first.block == "http-request" and first.payload.get("method") != "GET":
        return None
    if not any(isinstance(each, Branch | Loop) for each in steps[1:3]) or isinstance(steps[1], Loop):
        return None
    return Trigger(
        "cronjob",
        {"rrule": EVERY_HOUR, "timezone": timezone or "UTC"},
        note="no block watches this by itself and no time was named, so it looks once an hour; name another rhythm if "
        "you like",
    )
