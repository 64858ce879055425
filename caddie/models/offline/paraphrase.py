"""One way of saying it for the many that people have: delays, amounts told as a noun, "by posting it to …".

Invariant: says again what was said, in words the reader knows; adds no place, number or name. Callers:
``understand``, ``reader``.
"""

from __future__ import annotations

import re

from caddie.models.offline import pauses, words
from caddie.models.offline.phrasing import plainly
from caddie.models.offline.verbs import NOUN_TOO, VERBS

_SPAN = pauses.SPAN
_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.I), to)
    for pattern, to in (
        (r"\b(?:on\s+)?the\s+(day|week|month)\s+after\s+(?!tomorrow|that\b|next\b)(?=\w)", r"1 \1 after "),
        (rf"^wait\s+(?:for\s+)?({_SPAN})\s+(?:after|once|when)\s+([^,.;\n]+?)(?:\s*,\s*|\s+and\s+)(?:and\s+)?(?:then\s+)?",
         r"when \2, wait \1, then "),
        # "as soon as there are new jobs on https://…"
        (r"\b(when(?:ever)?|if|once|as\s+soon\s+as|every\s+time|each\s+time)\s+(?:(?:there\s+(?:is|are)|i\s+see|"
         r"they\s+(?:post|publish|add|have))\s+)?(?:an?\s+|any\s+|some\s+)?"
         r"(?:new|fresh|another|more)\s+[\w -]{2,40}?\s+(?:(?:appears?|shows?\s+up|comes?\s+up|"
         r"(?:is|are|gets?)\s+(?:posted|added|published|listed|there))\s+)?"
         r"(?:on|at|in|under)\s+(?:the\s+(?:page|site|website|list)\s+)?(\x00+)(?:\s+(?:is|are|"
         r"gets?)\s+(?:posted|added|published|listed|there))?",
         r"\1 \2 changes"),
        (r"\b(?:watch|monitor|track|observe|check|"
         r"keep\s+an\s+eye\s+on)\s+(?:the\s+page\s+)?(\x00+)\s+for\s+(?:any\s+|new\s+)?"
         r"(?:changes?|updates?|news|new\s+\w+)\s*(?:,|and)\s*(?:then\s+)?", r"when \1 changes, "),
        (r"\b(when(?:ever)?|if|once|as\s+soon\s+as)\s+(\x00+)\s+(?:has|gets|shows|brings|publishes|posts)\s+"
         r"(?:something\s+new|anything\s+new|(?:an?\s+|any\s+)?(?:new\s+\w+|updates?|news))\b", r"\1 \2 changes"),
        # "mail hr right away and then again after one week"
        (rf"(?:(?<=^)|(?<=[.;,\n]\s)|(?<=\bthen\s))((?:send|post|e?mail|remind|ping|notify|message|tell|"
         r"alert|warn|call)\s+[^,.;\n]+?)"
         rf"(?:\s+(?:right\s+away|immediately|now|at\s+once|straight\s+away|first))?\s*,?\s+and\s+(?:then\s+)?"
         rf"(?:once\s+(?:more|again)|again|"
         rf"a\s+second\s+time)\s+(?:(?:after|in)\s+)?({_SPAN})(?:\s+(?:later|after(?:wards|\s+that)?))?",
         r"\1, then wait \2, then \1"),
        (rf"^({_SPAN})\s+(?:after|once|when)\s+([^,.;\n\x00#@]+?)\s*,\s*", r"when \2, wait \1, then "),
        (rf"^({_SPAN})\s+(?:after|once|when)\s+([^,.;\n]+?)\s+(?=(?:send|post|mail|email|notify|remind|call|log|"
         rf"ask|write|tell|ping|"
         r"message|let)\b)", r"when \2, wait \1, then "),
        (r"^((?:someone|somebody|anyone|an?\s+(?:new\s+)?\w+|new\s+\w+)\s+[^.?!\n]*)\?\s+(?:then\s+)?", r"when \1, "),
        (rf"^((?!when|if|after|once|every|each|on\b|at\b|wait)\w[^.;\n]*?)\s*,?\s+({_SPAN})\s+after\s+(?!that\b|"
         rf"it\b|this\b)"
         r"([^,.;\n]+?)(?=[.;\n]|$)", r"when \3, wait \2, then \1"),
        (rf"[,;]?\s*(?:\b(?:and|but)\s+)?(?:\bthen\s+)?\b({_SPAN})\s+(?:later|afterwards|after\s+that)\b\s*,?\s*",
         r", then wait \1, then "),
        (rf"(?:(?<=^)|(?<=[.;,\n])|(?<=\band)|(?<=\bthen))\s*after\s+({_SPAN})\s*,?\s+(?=[a-z])(?!of\b|or\b)",
         r" wait \1, then "),
        # "forward it to …, translated to English"
        (r"\b(forward|send|post|mail|e-?mail|pass)\s+([^,.;\n]{2,80}?)\s+((?:on\s+)?(?:to|in|"
         r"into)\s+(?:the\s+)?(?:#[\w-]+|\x00+)[^,.;\n]*?)\s*,?\s*(?:but\s+)?"
         r"translated\s+((?:in)?to\s+\w+)", r"translate \2 \4, then \1 it \3"),
        (r"\b(forward|send|post|mail|e-?mail|pass)\s+([^,.;\n]{2,80}?)\s+((?:on\s+)?(?:to|in|"
         r"into)\s+(?:the\s+)?(?:#[\w-]+|\x00+)[^,.;\n]*?)\s*,\s*(?:but\s+)?"
         r"(?:summari[sz]ed|shortened|condensed)\b", r"summarize \2, then \1 it \3"),
        # "write a reply to each one by posting it to …"
        (r"\b((?:write|draft|compose|generate|send|make)\s+(?:an?\s+)?(?:[\w-]+\s+){0,3}?(?:reply|answer|"
         r"response|thank-you|comment|note|"
         r"message))\s+(?:to|for)\s+(?:each|every)(?:\s+(?:one|single|of\s+(?:them|these|those)|"
         r"\w+))?\s*([^.;\n\x00]{0,60}?)\s*,?\s*"
         r"(?:by|and\s+then|then|and)\s+(?:post|send|submitt?)(?:ing)?\s+(?:it|them|that)\s+((?:back\s+)?(?:to|"
         r"at)\s+\x00+)",
         r"for each item: \1 \2, then post it \3"),
        (r"\b(?:reply|respond|answer)\s+(?:to\s+)?(?:each|every)(?:\s+(?:one|single|of\s+(?:them|these|those)|"
         r"\w+))?\s+with\s+((?:an?\s+)?"
         r"[^.;\n\x00,]{2,60}?)(?:\s+written\s+by\s+(?:the\s+)?\w+)?\s*,?\s*(?:by|and\s+then|then|"
         r"and)\s+(?:post|send|submitt?)(?:ing)?\s+"
         r"(?:it|them|that)\s+((?:back\s+)?(?:to|at)\s+\x00+)", r"for each item: write \1, then post it \2"),
        (r"\b(if|when|whenever)\s+(?:the\s+|an?\s+)?(?:ai|agent|model|llm)\s+(?:thinks|believes|says|decides|"
         r"finds|judges)\s+(?:that\s+)?", r"\1 "),
        # "have the AI draft a letter for each applicant in https://… and …"
        (r"^((?!for\b|if\b|when)[^.;,\n\x00]{5,80}?)\s+for\s+(?:each|every)\s+([a-z]+)\s+(?:in|from|on|"
         r"at)\s+(\x00+)\s*,?\s+(?:and\s+)?(?:then\s+)?(?=[a-z])",
         r"for each \2 in \3: \1, then "),
        # "as sales or support and send it to a@x.com or b@x.com accordingly"
        (r"\b(as|into)\s+([\w-]+)\s+(?:or|and)\s+([\w-]+)\s*,?\s+and\s+(send|forward|post|e?mail|pass)\s+(it|"
         r"them|the\s+\w+)\s+to\s+(\x00+|#\S+)\s+or\s+(?:to\s+)?(\x00+|#\S+)"
         r"(?:\s*,?\s+(?:accordingly|respectively))?", r"\1 \2 or \3. If it is \2, \4 \5 to \6, otherwise \4 \5 to \7"),
        (r",\s*say\s+(?=(?:at\s+)?\d)", " at "),
        # "approval from finance before anything goes to …"
        (r"(?:(?<=^)|(?<=[.;,]\s)|(?<=and\s))(?:(?:we|i|it|this)\s+(?:need|want|require|needs|requires)\s+|"
         r"get\s+)?(?:an?\s+|the\s+)?"
         r"(?:approval|confirmation|permission|sign-?off|okay)\s+(?:from|by|of)\s+([\w' ]{2,30}?)\s+before\s+",
         r"ask \1 for approval before "),
        # "let the AI decide if it is spam. If not, …"
        (r"(?:(?:let|have)\s+(?:the\s+|an?\s+)?(?:ai|agent|model)|ask\s+(?:the\s+|an?\s+)?(?:ai|agent|"
         r"model)\s+to)\s+(?:decide|check|judge|determine|"
         r"find\s+out|say|see)\s+(?:if|whether)\s+((?:it|the|this|that|"
         r"they)\b[^.;,\n]+)[.;,]\s*(?:and\s+)?if\s+(?:not|it\s+is\s+not|"
         r"no)\b\s*,?\s*", r"if \1, do nothing, otherwise "),
        (r"(?:(?:let|have)\s+(?:the\s+|an?\s+)?(?:ai|agent|model)|ask\s+(?:the\s+|an?\s+)?(?:ai|agent|"
         r"model)\s+to)\s+(?:decide|check|judge|determine|"
         r"find\s+out|say|see)\s+(?:if|whether)\s+((?:it|the|this|that|"
         r"they)\b[^.;,\n]+)[.;,]\s*(?:and\s+)?if\s+(?:so|yes|"
         r"it\s+is)\b\s*,?\s*", r"if \1, "),
        # "…, cc b@x.com, subject …, text …"
        (r",\s*(?:and\s+)?(?:with\s+)?(?:a\s+)?(?:cc|copy)\s*:?\s+(?:to\s+)?(?=\x00)", r" with cc "),
        (r",\s*(?:and\s+)?(?:with\s+)?(?:the\s+)?subject(?:\s+line)?\s*:?\s+(?=\x00)", r" with subject "),
        (r",\s*(?:and\s+)?(?:with\s+)?(?:the\s+)?(?:text|body|message)\s*:?\s+(?=\x00)", r" saying "),
        (r"(?<![\w.,#/-])(\d+)\s?k(?![\w-])", r"\g<1>000"),
        (r"\b(ask\s+(?:me|us|my\s+\w+|the\s+\w+|someone)|get\s+(?:my\s+)?approval)\s+before\s+(?:any\s+|"
         r"an?\s+)?(?:[a-z-]+\s+)?"
         r"[a-z]+s?\s+((?:over|above|under|below|of\s+more\s+than|more\s+than)\s+[$€£]?\d[\d.]*(?:\s+"
         r"(?:dollars?|euros?|pounds?|%))?)\s+"
         r"(?:is|are|gets?)\s+\w+(?:\s+out)?", r"if the amount is \2, \1 for approval"),
        (r"\bthen\s+((?:an?|another|the|one)\s+(?:(?!to\b)[\w-]+\s+){0,2}?(?:e-?mail|mail|message|reminder|"
         r"notification|note)\b"
         r"(?!\s+(?:is|goes|gets|should|must)))", r"then send \1"),
        (r"^([^.;\n]+?)\s*,?\s+unless\s+([^,.;\n]+),\s*(?:and\s+)?(?:in\s+(?:that|which)\s+case|then)\s+([^.;\n]+)",
         r"if \2, \3, otherwise \1"),
    )
)  # fmt: skip
_THOUSANDS = re.compile(r"(?<![\d.,\w#/])(\d{1,3}(?:,\d{3})+)(?!\d|,\d|\w)")
_BY = re.compile(
    r"^(?!(?:if|when|whenever|unless|once|for|in\s+case|as\s+soon)\b).+?\s+by\s+((?:post|send|call|writ|mail|"
    r"e-?mail|email|push|submitt|notify|pingg?|messag|alert|tell|forward|delet|put)"
    r"ing\b.+)$",
    re.I | re.S,
)
_MEASURED = re.compile(
    r"^(?:for\s+)?(?:(?:any|every|each|all|the|if|an?)\s+)*(?P<noun>(?:anything|everything|something|those|ones|"
    r"[a-z]+s|"
    r"[a-z]+))\s+(?:(?:that|which)\s+(?:is|are|costs?)\s+)?(?P<how>(?:above|over|under|below|beyond|exceeding|"
    r"at\s+least|"
    r"at\s+most|from|(?:more|less|greater|higher|lower|bigger|smaller|older|younger|fewer)\s+than|"
    r"of\s+(?:at\s+least\s+|"
    r"more\s+than\s+|over\s+|above\s+|less\s+than\s+|under\s+)?)\s*[$€£]?\d[\d.]*\s*(?P<unit>%|[a-z€$£]+)??"
    r"(?:\s+or\s+(?:more|less|above|over|under|below|higher|lower|fewer))?)(?:\s*,?\s+(?P<rest>(?:needs?|must|"
    r"should|also|gets?|"
    r"goes|go|requires?|ha(?:s|ve)\s+to|will|(?:is|are)\s+to|please|then|let|send|notify|tell|ask|post|e?mail|"
    r"call|log|ping|"
    r"alert|warn|wait|create|inform|forward|message|write)\b.*))?$",
    re.I | re.S,
)
#: "a second mail asking …": a message, told as a thing.
_MESSAGE = re.compile(
    r"^(?:(?:an?|another|the|one)\s+)?(?:(?!to\b|from\b|by\b|the\b|send\b|post\b|with\b|every\b|each\b|only\b|"
    r"email\b|mail\b)[\w-]+\s+)"
    r"{0,2}?(?:e-?mails?|mails?|notification|reminder|newsletter)(?:\s+(?:to|about|asking|saying|with|telling|in|"
    r"on|for|that)\b.*)?$",
    re.I | re.S,
)
#: "send everyone on https://… an email"
_EVERYONE = re.compile(
    r"^(?P<verb>send|e-?mail|mail|write(?:\s+to)?|notify|invite|message|remind|"
    r"thank)\s+(?:to\s+)?(?P<who>everyone|everybody|"
    r"(?:each|every)\s+\w+|(?:all|the)\s+(?:the\s+|of\s+the\s+)?\w+s)\s+(?:listed\s+|registered\s+)?(?:on|in|from|"
    r"at|of)\s+(?:(?:the|our)\s+list\s+"
    rf"(?:at|from|in|on)\s+)?(?P<url>{words.URL.pattern})\s*(?P<rest>.*)$",
    re.I | re.S,
)
#: "a digest of the news mailed to me": told as a thing.
_SENT = re.compile(
    rf"^(?!(?:if|when|unless|once|for|as|"
    rf"after)\b)(?!(?:{'|'.join(each for each in VERBS if each not in NOUN_TOO)})s?\b(?!\s+of\b))"
    r"(?:(?:i|we)\s+(?:(?:would|really)\s+)*(?:like|want|need|love)\s+)?(?:an?\s+|the\s+)?((?:(?!\b(?:and|is|"
    r"are|be|been|was|were|gets?|got|before|after|needs?|must|should|will|has|have)\b)"
    r"[^,.;#@\x00]){3,70}?)\s*,?\s+(e-?mailed|mailed|sent|posted|delivered|"
    r"pushed|texted|forwarded)\s+"
    r"((?:over\s+)?(?:to|in|into|on|via|by)\s.*)$",
    re.I | re.S,
)
#: "tag each article from https://… as …"
_EACH_AT = re.compile(
    rf"^(?P<verb>{'|'.join(sorted(VERBS, key=len, reverse=True))})\s+(?:each|every)\s+(?:single\s+|new\s+|"
    rf"of\s+the\s+)?(?P<noun>[a-z][\w-]*(?:\s+[a-z]\w+)?)\s+(?:listed\s+)?"
    rf"(?:on|in|from|at|of)\s+(?P<url>{words.URL.pattern})\s*(?P<rest>.*)$",
    re.I | re.S,
)
#: "questions about exams also go to …", "about press to …"
_ABOUT = re.compile(
    r"^(?:(?:(?:incoming|all|any|the|chat|new|those)\s+)*(?:messages?|questions?|requests?|mails?|e-?mails?|"
    r"enquir(?:y|ies)|inquir(?:y|ies)|ones|everything|"
    r"anything)\s+)?(?:about|regarding|concerning)\s+(?P<topic>[\w -]{2,30}?)\s+(?:(?:should|must|also|to|be|are|"
    r"get|go|goes|sent|forwarded|routed|passed)\s+)*"
    r"(?P<rest>to\s+\S*[@#].*)$",
    re.I | re.S,
)
#: "for each invoice older than 30 days email …"
_EACH_MEASURED = re.compile(
    r"^(for\s+(?:each|every|all)\s+(?:the\s+)?[a-z]+)\s+((?:above|over|under|below|(?:more|less|older|younger|"
    r"bigger|smaller|"
    r"higher|lower)\s+than)\s+[$€£]?\d[\d.]*\s*(?:%|[a-z€$£]+)??)\s*,?\s+((?:send|post|e?mail|call|log|notify|"
    r"tell|ask|write|"
    r"remind|warn|create|add|put|alert)\b.*)$",
    re.I | re.S,
)
_OWED = re.compile(
    r"(?:ha(?:s|ve)\s+to|needs?\s+to|must|should|(?:is|are)\s+to|gets?|will)\s+(?:first\s+)?"
    r"(?:be\s+)?\w+(?:ed|en)\b",
    re.I,
)
_QUESTION = re.compile(
    r"^(?:will|is|are|was|does|do|did|has|have|what|who|when|why|how|ever|want|need|tired|who)\b", re.I
)


#: "is one of Germany, France or Spain": the values of a comparison, told as a list.
_ENUMERATED = re.compile(
    r"(?P<head>\b(?:one\s+of|any\s+of|either|neither|none\s+of|(?:is|are|was|equals?|contains?|mentions?|includes?|"
    r"says?|(?:starts?|begins?|ends?)\s+with)(?:\s+not)?)\s+(?:the\s+following:?\s+)?)"
    r"(?P<list>(?!if\b|a\b|an\b)(?:[\w.@+-]+|\x00+)(?:\s[\w-]+)?(?:\s*,\s*(?:[\w.@+-]+|\x00+)(?:\s[\w-]+)?){1,8})"
    r"\s*,?\s+(?P<word>or|nor|and)\s+(?=(?:[\w.@+-]|\x00))",
    re.I,
)
_ASKING = re.compile(r"\b(?:if|when(?:ever)?|unless|where|whose|that|which|ones|only|in\s+case)\b", re.I)
_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000, "dozen": 12}
_SCALED = re.compile(
    rf"(?<![\w.,])(?P<count>an?|\d+(?:\.\d+)?|{words.NUMBER_WORD})\s+(?P<scale>{'|'.join(_SCALES)})\b(?!\s+"
    rf"(?:and|of)\b)",
    re.I,
)


#: "Rating 1 or 2: email …. Rating 3: log it."
_RATED = re.compile(
    r"(?P<before>(?:^|[.;,\n])\s*)(?:for\s+)?(?P<noun>[A-Za-z]{4,})\s+(?P<values>(?:\d[\d.]*|\"[^\"]+\"|"
    r"[a-z]+)(?:\s+(?:or|to|and)\s+\d[\d.]*)?)"
    r"\s*(?::|->|=>|→)\s*(?=[a-z])"
)


def _enumerated(said: str) -> str:
    """ "is one of Germany, France or Spain" → "is one of Germany or France or Spain"."""
    shadow = words.masked(said)
    for found in reversed(list(_ENUMERATED.finditer(shadow))):
        sentence = shadow[max(shadow.rfind(end, 0, found.start()) for end in ".;\n") + 1 : found.start()]
        listed = re.match(r"one|any|either|neither|none", found["head"], re.I)
        if (found["word"].lower() == "and" and not listed) or not (listed or _ASKING.search(sentence)):
            continue
        start, end = found.span("list")
        values = re.sub(r"\s*,\s*", f" {'nor' if found['word'].lower() == 'nor' else 'or'} ", said[start:end])
        said = f"{said[:start]}{values} or {said[found.end() :]}"
    return said


def _scaled(match: re.Match[str]) -> str:
    """ "two hundred" → 200."""
    count = match["count"].lower()
    value = (1 if count in ("a", "an") else words.number(count) or 1) * _SCALES[match["scale"].lower()]
    return str(int(value) if value == int(value) else value)


def text(said: str) -> str:
    """A whole request; quotes and addresses stay as they are."""
    said = pauses.unanswered(said)
    shadow = words.masked(said)
    for scaled in reversed(list(_SCALED.finditer(shadow))):
        said = f"{said[: scaled.start()]}{_scaled(scaled)}{said[scaled.end() :]}"
    said = _enumerated(said)
    if len(_RATED.findall(words.masked(said))) > 1:
        said = _RATED.sub(lambda m: f"{m['before']}if the {m['noun'].lower()} is {m['values']}, ", said)
    shadow = words.masked(said)
    if _THOUSANDS.search(shadow):
        said = _THOUSANDS.sub(lambda match: match.group().replace(",", ""), said)
    for pattern, to in _RULES:
        match = pattern.search(words.masked(said))
        while match is not None:
            # The match is of the masked text: what it holds is taken from the text itself.
            groups = [match.group(0), *(said[slice(*match.span(at))] for at in range(1, len(match.groups()) + 1))]
            told = _filled(to, groups)
            said = f"{said[: match.start()]}{told}{said[match.end() :]}".strip(" ,")
            match = pattern.search(words.masked(said), match.start() + len(told))
    return said


def _filled(template: str, groups: list[str]) -> str:
    return re.sub(r"\\(?:g<)?(\d)>?", lambda each: groups[int(each.group(1))], template)


def rhetorical(sentence: str) -> bool:
    """ "Will it rain tomorrow?": why, before what."""
    bare = sentence.strip()
    return bare.endswith("?") and bool(_QUESTION.match(bare)) and not re.search(r"https?:|#\w|@\w", bare)


def clause(said: str) -> str:
    """One clause."""
    said = re.sub(r"^add\s+(?:one|1)\s+to\s+", "increment ", said, flags=re.I)
    if everyone := _EVERYONE.match(said):
        # "send the notes from https://… to the team" sends one thing.
        several = re.match(r"(?:an?|the|our|my|this|some|one)\b", everyone.group("rest"), re.I)
    if re.fullmatch(r"(?:the\s+)?(?:workflow|flow)\s+(?:[\"“'][^\"”']+[\"”']|\w+-[\w-]+)", said, re.I):
        return f"run {said}"
    if sent := _SENT.match(said):
        mailed = "mail" in sent.group(2).lower() and "@" not in sent.group(3)
        return f"send {sent.group(1)} {sent.group(3)}{' by email' if mailed else ''}"
    if (each := _EACH_AT.match(said)) and words.url(each.group("url")):
        rest = f"{each.group('verb')} it {each.group('rest')}".strip()
        return f"for each {each.group('noun')} in {each.group('url')}: {rest}"
    if everyone and several:
        who = re.sub(r"^(?:each|every|all)\s+(?:the\s+|of\s+the\s+)?|^the\s+", "", everyone.group("who"), flags=re.I)
        who = "person" if who.lower() in ("everyone", "everybody") else who
        return (
            f"for each {who} in {everyone.group('url')}: {everyone.group('verb')} them {everyone.group('rest')}".strip()
        )
    if (by := _BY.match(said)) and (words.url(by.group(1)) or words.channel(by.group(1)) or words.emails(by.group(1))):
        return plainly(by.group(1))
    if each := _EACH_MEASURED.match(said):
        return f"{each.group(1)}: if it is {each.group(2)}, {each.group(3)}"
    if topic := _ABOUT.match(said):
        return f"if the message is about {topic.group('topic')}, send it {topic.group('rest')}"
    measured = _MEASURED.match(said)
    if measured and (measured.group("rest") or re.match(r"for\b", said, re.I)):
        noun, how = measured.group("noun").lower(), measured.group("how")
        of = re.match(r"of\s+(?=[$€£\d])", how, re.I)
        vague = noun in ("anything", "everything", "something", "those", "ones", "all")
        measure = re.match(r"(?:score|rating|price|level|temperature|amount|age|total|value|count|grade|cost)s?$", noun)
        if measured.group("rest") and _OWED.match(measured.group("rest")):
            # "expenses over 200 have to be approved"
            return f"if {'it' if vague else f'the {noun.rstrip(chr(115))}'} is {how}, it {measured.group('rest')}"
        subject = "the amount" if of and not measure else "it" if vague else f"the {noun.rstrip('s')}"
        rest = re.sub(r"^(?:also|then)\s+", "", measured.group("rest") or "", flags=re.I)
        return f"if {subject} is {how[of.end() :] if of else how}, {rest}".rstrip(" ,")
    if _MESSAGE.match(said) and not words.url(said):
        return f"send {said}"
    return said


def after_yes(phrase: str) -> str:
    """What comes after a yes, told as what came "before" it: "it gets published at …", "sending it"."""
    return f"it {phrase}" if re.match(r"(?:gets?|is|goes|are)\b", phrase, re.I) else plainly(phrase)
