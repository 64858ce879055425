"""A request read from what it names instead of from its grammar: addresses, limits, a consent, kinds of AI work.

People say "the office should see it in Slack, channel #office" in more ways than rules can list, but the channel, the
address and the limit are always there. This reading turns each of them into a plain clause for ``reader``, in the order
of the sentence, and leaves everything else out. Invariant: nothing is added that the text does not name. Callers:
``understand``, when the first reading has gaps.
"""

from __future__ import annotations

import re
from dataclasses import replace

from caddie.models.offline import clauses, conditions, evidence, judgement, turns, words
from caddie.models.offline.mentions import SORT, Mention, effects, work
from caddie.models.offline.request import Trigger

_IMPERATIVE = re.compile(rf"^(?:please\s+|then\s+|also\s+)*(?:{clauses.ANY_VERB})\b", re.I)
_YES = re.compile(r"\bif\s+(yes|no|so|not|true|false)\b", re.I)
_FIELD = re.compile(r"\bfields?\s+(?:called\s+|named\s+)?[\"'“]?([a-z]\w*)", re.I)
_JUDGING = re.compile(r"\b(?:find\s+out|check|see|tell|decide|determine|work\s+out|know|ask)\s+$", re.I)
_IF = re.compile(r"\b(?:only\s+)?(if|unless|when(?:ever)?|in\s+case|as\s+soon\s+as|once)\s+", re.I)
_WHICH = re.compile(
    rf"\b(?:that|which|who|whose|where|with|having)\b[^,.;:]*?({evidence.LIMIT.pattern})\s*([a-z]+)?", re.I
)
_UNITS = re.compile(r"euros?|dollars?|pounds?|percent|degrees?|left|or|and|in|on|to|of|at|it|days?|hours?|than", re.I)
_DO = re.compile(r"(?:i|we)\s+(?:do|did|have|say\s+so)\b", re.I)
_EACH = "for each item"
#: More conditions than this are no sentence, and each costs several looks.
MOST = 6
#: "I write a newsletter about gardening.": why, and no step.
_ABOUT_US = re.compile(
    r"^\s*(?:i|we)(?:['’](?:m|re))?\s+(?:write|run|have|own|work|teach|am|are|sell|organi[sz]e|manage|maintain|offer|rent|live)\b"
    r"[^\x00#@,;:]*[.!]?\s*$",
    re.I,
)
#: "Over 100 euros I want to …".
_BOUND = re.compile(rf"\s*((?:{evidence.LIMIT.pattern})(?:\s+(?:euros?|dollars?|pounds?))?)", re.I)
_MONEY = re.compile(r"[$€£]|euros?|dollars?|pounds?", re.I)
_MEASURE = "the amount"
#: What starts a workflow with one thing, and no list.
_SINGLE = ("webhook", "trigger_chat")
_ASK = "ask me for approval"
_EFFECT = re.compile(r"(?:otherwise\s+)?(?:email|post|send|write\s+it\s+to\s+the\s+log)\b")
#: Told behind what it comes before.
_BEFORE = re.compile(
    r"\b(?:before\s+(?:it|that|this|they|you|anything|sending|posting|the\s+\w+)|first|beforehand|(?:AI|ai)\s+(?:should|must|is\s+to|"
    r"can|has\s+to)\s+write|written\s+by\s+(?:the\s+)?AI)\b"
)
_STRAIGHT = re.compile(r"\b(?:straight|directly|right\s+away|immediately|at\s+once)\b", re.I)
_NEW = re.compile(
    r"^(?:please\s+)?(?:post|send|forward|share|announce|show|put|report)\s+(?:(?:us|me|every|each|all|any|the)\s+)*"
    r"(new\s+(?:[\w-]+\s+){0,2}?[\w-]+)\s+(?:to|in|on|into|by|via)\b",
    re.I,
)
#: "I paste my notes into the chat."
_TYPED = re.compile(
    r"^(?:i|we|people|users|customers|guests|visitors|they|someone)\s+(?:\w+\s+)?\w+\s+[^,;:]*\bchat\b[^,;:]*$", re.I
)
_REST = re.compile(rf"(?:^|[,;.]\s*|\band\s+)(?:{clauses.REST})\b", re.I)
_THERE = re.compile(r"\b(?:go(?:es)?|sent|posted?|straight)\s+(?:\w+\s+)?there\b", re.I)




def trigger(text: str, found: Trigger | None) -> tuple[Trigger | None, list[str]]:
    """What starts it, where the first reading saw no start, and the sentences that are left."""
    kept: list[str] = []
    started = None if found is None or found.block == "manual" else found
    for sentence in clauses.sentences(text):
        bare = re.sub(r"\([^()]*\)", " ", sentence)
        shadow = words.masked(sentence)
        if evidence.HOOK.search(shadow) and not (_IMPERATIVE.match(shadow) and "\x00" in shadow) and (
            started is None or started.block == "webhook"
        ):  # fmt: skip
            started = started or Trigger("webhook", event=_event(bare))
            kept.append(_behind(bare))
        elif started is None and evidence.HOOK.search(shadow):
            started = Trigger("webhook", event=_event(bare))
            kept.append(bare)
        elif started is None and evidence.CHAT.search(shadow):
            started = Trigger("trigger_chat", event="a chat message")
            kept.append("" if _TYPED.match(shadow) else sentence)
        elif not _ABOUT_US.match(shadow):
            kept.append(bare)
    if started is None and (new := _NEW.match(text.strip())):
        started = Trigger("webhook", event=f"there is a {new.group(1).lower()}")
    return started or found, [each for each in kept if each.strip()]


def _event(sentence: str) -> str:
    return re.split(r"[:,.]", sentence.strip(), maxsplit=1)[0].strip()[:120]


def _behind(sentence: str) -> str:
    """What a sentence about a hook asks for, behind where it tells of it."""
    names = words.EMAIL.search(sentence) or words.CHANNEL.search(sentence) or words.URL.search(sentence)
    hook = evidence.HOOK.search(words.masked(sentence))
    if hook is None:
        return sentence
    if later := re.compile(r":\s|,\s+|\s+then\s+").search(sentence, hook.end()):
        return sentence[later.end() :]
    return sentence[hook.end() :] if names and names.start() > hook.end() else ""


def read(sentences: list[str], block: str, about: str) -> list[list[str]]:
    """The plain clauses of each sentence. block: what starts the workflow. about: the whole text.

    None at all when a condition is not understood: what hangs on it must not happen whatever comes.
    """
    made: list[list[str]] = []
    asked, sink = False, ""
    labels: list[str] = []
    for sentence in sentences:
        named = [*effects(sentence, block), *work(sentence, block)]
        acts = any(each.effect for each in named)
        if not acts and sink and (where := _THERE.search(words.masked(sentence))):
            named.append(Mention(where.start(), sink, True))
            acts = True
        if not asked and (consent := evidence.CONSENT.search(sentence)):
            named.append(Mention(consent.start(), _ASK))
            asked = True
        if block != "webhook" and (each := evidence.EACH.search(sentence)):
            named = _repeated(named, each)
        first = _BEFORE.search(sentence)
        if made and named and first and not acts:
            made[-1] = _earlier(made[-1], [each.clause for each in named])
            continue
        if first:
            named = [replace(each, start=-1) if each.clause.startswith("let AI") else each for each in named]
        tests, other, labels = _supposed(sentence, about, named, labels, block not in _SINGLE)
        if not tests and _unmet(sentence, about):
            return []
        ordered = _ordered(named, tests, other)
        if other is not None and _STRAIGHT.search(sentence, other):
            ordered = _straight(ordered)
        sink = next((each.clause for each in reversed(named) if each.effect and "://" in each.clause), sink)
        made += [ordered] if ordered else []
    return made


def _supposed(
    sentence: str, about: str, named: list[Mention], labels: list[str], listed: bool
) -> tuple[list[Mention], int | None, list[str]]:
    """The conditions of a sentence, where their other branch begins, and the labels known from now on.

    listed: there may be a list to choose from.
    """
    turned = (evidence.OTHERWISE.search(sentence), _REST.search(sentence))
    other = min((match.start() for match in turned if match), default=None)
    behind = 0
    if labels and (sorted_ := _each_label(sentence, labels)):
        return sorted_, None, labels
    for each in named:
        if each.clause.startswith(SORT):
            labels = re.split(r"\s*,\s*(?:or\s+)?|\s+or\s+", each.clause.removeprefix(SORT))
            behind = sentence.find(labels[-1], each.start) + 1
    tests = _tests(sentence, about, listed)
    if not tests and (answers := _answered(sentence, about)):
        tests, other = answers[:1], answers[1].start if len(answers) > 1 else other
    return tests or _labelled(sentence, labels, behind), other, labels


def _repeated(named: list[Mention], each: re.Match[str]) -> list[Mention]:
    """What is done to each of them, from the piece on that says so, in a loop."""
    before = [one for one in named if one.start <= each.end() and not one.clause.startswith("fetch ")]
    if not before:
        return named
    first = max(before, key=lambda one: one.start)
    inner = replace(first, clause=first.clause.replace(each.group(), "it"))
    return [*(inner if one is first else one for one in named), Mention(first.start, _EACH)]


def _earlier(clauses_: list[str], more: list[str]) -> list[str]:
    """What is told last and comes before something is sent."""
    at = next((at for at, each in enumerate(clauses_) if _EFFECT.match(each)), len(clauses_))
    return [*clauses_[:at], *more, *clauses_[at:]]


def _straight(clauses_: list[str]) -> list[str]:
    """ "above 200 I approve it first, otherwise it goes straight to …": after the yes it goes there as well."""
    at = next((at for at, each in enumerate(clauses_) if each.startswith("otherwise ")), len(clauses_))
    if at == len(clauses_) or any(_EFFECT.match(each) for each in clauses_[:at]) or _ASK not in clauses_[:at]:
        return clauses_
    return [*clauses_[:at], clauses_[at].removeprefix("otherwise "), *clauses_[at:]]


def _ordered(named: list[Mention], tests: list[Mention], other: int | None) -> list[str]:
    """A condition told behind what hangs on it comes in front of it; what is behind "otherwise" is the other branch."""
    named = sorted(named, key=lambda each: each.start)
    first = min((each.start for each in named if each.effect), default=None)
    moved = [
        each if first is None or len(tests) > 1 or (other is not None and each.start >= other)
        else replace(each, start=min(each.start, first))
        for each in tests
    ]  # fmt: skip
    turned = False
    made: list[str] = []
    for each in sorted([*moved, *named], key=lambda each: (each.start, each.clause != _EACH, each.effect)):
        clause = each.clause
        if other is not None and each.start >= other and not turned:
            clause, turned = f"otherwise {clause}", True
        made.append(clause)
    return made








def _tests(sentence: str, about: str, listed: bool) -> list[Mention]:
    found: list[Mention] = []
    for word in list(_IF.finditer(sentence))[:MOST]:
        text = sentence[word.end() :]
        if _JUDGING.search(sentence[: word.start()]) or (
            evidence.CONSENT.search(about) and (turns.APPROVED.match(text) or _DO.match(text))
        ):
            continue
        if holds := _holds(text):
            found.append(Mention(word.start(), f"{word.group(1)} {holds}"))
    if not found and (bound := _BOUND.match(sentence)):
        found.append(Mention(0, f"if {_MEASURE if _MONEY.search(bound.group()) else 'it'} is {bound.group(1)}"))
    if not found and listed and (which := _WHICH.search(sentence)):
        noun = which.group(3)
        limit = which.group(1)
        subject = noun if noun and not _UNITS.fullmatch(noun) else ""
        test = conditions.find(f"{subject or _before(sentence, which.start())} is {limit}")
        if test is not None:
            found.append(Mention(which.start(), f"keep only the ones where {test.conditions[0].subject} is {limit}"))
    return found


def _unmet(sentence: str, about: str) -> bool:
    """Whether a sentence has a condition that is neither understood nor somebody's consent."""
    words_ = [each for each in _IF.finditer(sentence) if each.group(1).lower() in ("if", "unless", "in case")]
    said = [each for each in words_ if not _JUDGING.search(sentence[: each.start()])]
    return bool(said) and not evidence.CONSENT.search(about)


def _answered(sentence: str, about: str) -> list[Mention]:
    """ "if yes … if no …": the value of the one field the text names."""
    field = _FIELD.search(about)
    if field is None:
        return []
    return [Mention(each.start(), f"if {field.group(1)} is {each.group(1)}") for each in _YES.finditer(sentence)]


def _labelled(sentence: str, labels: list[str], behind: int) -> list[Mention]:
    """ "the negative ones": a label of the classification before. behind: where it ends."""
    for label in labels:
        if told := re.compile(rf"\b(?:the\s+)?{re.escape(label)}\b", re.I).search(sentence, behind):
            return [Mention(told.start(), f"if it is {label}")]
    return []


def _each_label(sentence: str, labels: list[str]) -> list[Mention]:
    """ "negative feedback goes to …, positive feedback goes to …": a condition for each, where it is told."""
    found = [re.search(rf"\b{re.escape(label)}\b", sentence, re.I) for label in labels]
    told = sorted((match for match in found if match), key=lambda match: match.start())
    return [Mention(match.start(), f"if it is {match.group().lower()}") for match in told] if len(told) > 1 else []


def _before(sentence: str, start: int) -> str:
    nouns = re.findall(r"[a-z]+", sentence[:start], re.I)
    return nouns[-1] if nouns else "value"


def _holds(text: str) -> str | None:
    """The condition at the beginning of a text: the shortest part that is one."""
    shadow = words.masked(text)
    cuts = [match.start() for each in (turns.VERB, turns.SUBJECT) for match in each.finditer(shadow)]
    cuts += [match.start() for match in re.finditer(r"[,;:.](?!\d)", shadow)]
    for end in [*sorted(cuts)[:10], len(text)]:
        part = text[:end].strip()
        if len(part) < 120 and (conditions.find(part) is not None or judgement.meant(part) is not None):
            return part
    return None
