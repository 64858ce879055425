"""More or less of what a step looks for: the fields of an extraction, the topics of a search.

Invariant: what it looked for before stays unless the message takes it away. Callers: ``change``.
"""

from __future__ import annotations

import re

from caddie.models.offline import words
from caddie.models.offline.canvas import Canvas
from caddie.models.offline.extension import Change
from caddie.models.offline.language import fields_schema
from caddie.models.offline.plan import Edit, Plan
from caddie.models.offline.thread import Talk

_PULL = (
    r"(?:extract|pull(?:\s+out)?|read(?:\s+out)?|get|take|pick(?:\s+out)?|find|capture|collect|grab|note|include|add|"
    r"look\s+for)"
)
_MORE = re.compile(
    rf"^(?:(?:also|additionally|in\s+addition)\s+{_PULL}\s+(?P<what>.+?)|{_PULL}\s+(?P<what2>.+?)\s*,?\s+(?:too|"
    rf"as\s+well|also|in\s+addition)|"
    rf"(?:it|the\s+(?:extraction|extract|"
    rf"{_PULL}\w*)(?:\s+step)?)\s+should\s+(?:also\s+)?{_PULL}\s+(?P<what3>.+?)(?:\s+(?:too|as\s+well))?|"
    rf"add\s+(?P<what4>.+?)\s+(?:to|as)\s+(?:the\s+|an?\s+)?(?:extract(?:ion|ed)?|fields?|schema|"
    rf"data)(?:\s+(?:fields?|data|step))?)"
    r"(?:\s+(?:from|out\s+of|in)\s+(?:it|them|that|the\s+\w+))?$",
    re.I,
)
_LESS = re.compile(
    rf"^(?:do\s+not|no\s+longer|stop)\s+{_PULL}(?:ing)?\s+(?P<what>.+)$|^(?:remove|drop|delete|"
    rf"leave\s+out)\s+(?P<what2>.+?)\s+from\s+(?:the\s+)?"
    r"(?:extract(?:ion|ed)?|fields?|schema|data)\b.*$",
    re.I,
)
_SEARCH = re.compile(
    r"^(?:also\s+)?(?:search|look|google)(?:\s+(?:the\s+web|online))?\s+(?:for\s+|up\s+)?(?P<what>.+?)\s*,?\s+(?:too|"
    r"as\s+well|also)$|"
    r"^(?:also|additionally)\s+(?:search|look|google)(?:\s+(?:the\s+web|online))?\s+(?:for\s+|up\s+)?(?P<what2>.+)$|"
    r"^(?:include|add|cover)\s+(?:also\s+)?(?:news\s+(?:about|on)\s+|articles\s+(?:about|on)\s+|results\s+(?:about|"
    r"on|for)\s+)?(?P<what3>.+?)\s+"
    r"(?:in|to)\s+the\s+(?:search|query|topics?|news)(?:\s+(?:too|as\s+well|query|terms?))?$|"
    r"^(?:it|the\s+(?:search|news|query))\s+should\s+(?:also\s+)?(?:cover|include|be\s+about|"
    r"search\s+for)\s+(?P<what4>.+?)\s+(?:too|as\s+well|also)$",
    re.I,
)


def extracted(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """ "also extract the phone number": one more field of the extraction there is."""
    found = canvas.of("extract-json")
    more, less = _MORE.match(text), _LESS.match(text)
    if not found or not (more or less):
        return None
    match = more or less
    assert match is not None
    names = [words.slug(each) for each in words.listed(next(each for each in match.groups() if each))]
    aimed = words.channel(text) or words.emails(text) or words.url(text)
    if not names or any(len(each) > 32 for each in names) or aimed:
        return None
    step = canvas.meant(text, found) or found[-1]
    schema = canvas.payload(step).get("schema")
    schema = schema if isinstance(schema, dict) else {"type": "object"}
    old = dict(schema.get("properties") or {})
    if less and not set(names) & set(old):
        return None
    made = dict((fields_schema(names) or {}).get("properties") or {}) if more else {}
    kept = {name: value for name, value in old.items() if more or name not in names}
    new = {**schema, "properties": {**kept, **{name: each for name, each in made.items() if name not in kept}}}
    if isinstance(schema.get("required"), list):
        new["required"] = [each for each in (*schema["required"], *made) if each in new["properties"]]
    if new["properties"] == old or not new["properties"]:
        return None
    edit = Edit("update_node", {"nodeId": step, "payload": {"schema": new}})
    return Change(Plan([edit]), f"`{step}` now extracts {words.joined(list(new['properties']))}.")


def searched(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """ "search for wind energy too": one more topic of the search there is."""
    match, found = _SEARCH.match(text), canvas.of("web-search")
    if match is None or not found:
        return None
    what = words.quoted(text) or next(each for each in match.groups() if each).strip(" .\"'“”")
    step = canvas.meant(text, found) or found[-1]
    old = str(canvas.payload(step).get("query") or "")
    if not old or "{{" in old or what.lower() in old.lower() or len(what.split()) > 8:
        return None
    query = f"{old} and {what}" if " or " not in old else f"{old} or {what}"
    edit = Edit("update_node", {"nodeId": step, "payload": {"query": query}})
    return Change(Plan([edit]), f"I search for “{query}”.")
