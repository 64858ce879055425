"""What a condition told in words compares: a field, a label, a call's outcome, what the condition before asks.

Invariant: labels are only those a classification has, or the one that is put in front here. Callers: ``reader``.
"""

from __future__ import annotations

import re
from dataclasses import replace

from caddie.models.offline import actions, conditions, judgement, memory, phrasing, scales, turns, weather, words
from caddie.models.offline.request import Action, Condition, Test
from caddie.models.offline.tree import LISTS, Tree
from caddie.models.offline.verbs import VERBS

#: What is measured: "send their battery level to …", "read the temperature from …".
_NAMED = re.compile(
    r"\b(?:sends?|posts?|reports?|submits?|measures?|reads?|checks?|gets?|fetch(?:es)?|watch(?:es)?|monitors?|"
    r"looks?\s+up)\s+"
    r"(?:their|its|the|our|his|her)\s+(?:current\s+|latest\s+)?((?:\w+\s+)?(?!data\b|list\b|rates\b)\w+)\s+(?:to|"
    r"via|by|over|at|from|of)\b",
    re.I,
)
_PRONOUN = re.compile(r"it|they|he|she|that|this|them|(?:the|an?)\s+(?:person|item|one|value|number)", re.I)
_QUALITY = re.compile(
    r"(?:(?:it|they|this|that|which)\s+(?:is|are)\s+)?(not\s+(?:yet\s+)?)?(?:still\s+|already\s+)?"
    r"(?!(?:they|there|this|that|someone|somebody|anyone|anybody|everyone|nobody|people|the|you|she)\b)"
    r"([a-z]{3,}(?:-[a-z]+)?)(?:\s+yet)?",
    re.I,
)
#: What has words to be judged, and no field that says what it is.
_TEXTUAL = re.compile(
    r"^(?:the\s+|an?\s+|any\s+)?(?:\w+\s+)?(?:message|text|mail|e-?mail|review|comment|feedback|post|note|question|"
    r"letter|reply|answer)s?\b",
    re.I,
)


#: Of what a unit is the measure, for a comparison that names nothing else.
_MONEY = r"[$€£]\s?\d|\d\s*(?:[$€£]|euros?|dollars?|pounds|bucks|usd|eur|gbp)"
#: What has an amount, and is none.
_TRADED = re.compile(
    r"(?:an?|any|new)\s|(?:the\s+)?(?:expense|order|invoice|purchase|payment|donation|transaction|claim|bill|"
    r"booking|deal|sale|"
    r"transfer|refund|quote|offer|contract)$",
    re.I,
)
_QUANTITIES = tuple(
    (re.compile(pattern, re.I), name)
    for pattern, name in (
        (_MONEY, "amount"), (r"\d\s*(?:kg|kilos?|kilograms?|grams?|tons?)\b", "weight"), (r"\d\s*stars?\b", "rating"),
        (r"\d\s*(?:°|degrees?|celsius|fahrenheit)", "temperature"), (r"\d\s*(?:km|miles|kilometers?)\b", "distance"),
        (r"\d\s*years?\b", "age"), (r"\d\s*(?:minutes?|hours?|seconds?)\b", "duration"),
        (r"\d\s*(?:percent|%)", "percentage"),
    )
)  # fmt: skip


def _properties(action: Action) -> dict[str, dict[str, str]]:
    """The fields an extraction brings."""
    schema = action.payload.get("schema") if action.block == "extract-json" else None
    return dict(schema.get("properties") or {}) if isinstance(schema, dict) else {}


_UNWANTED = re.compile(
    r"^(?:throw\s+(?:away|out)|ignore|discard|delete|drop|skip|remove|filter(?:\s+out)?|leave\s+out|"
    r"get\s+rid\s+of|block)\s+(?:the\s+|all\s+|"
    r"any\s+)?(spam|junk|ads|advertising|advertisements?|scams?|phishing|abuse|trolls?|duplicates?|newsletters?)"
    r"(?:\s+(?:messages?|mails?|e-?mails?|ones))?$",
    re.I,
)


_FELT = re.compile(
    r"(?<![\w#@/-])(?:the\s+|all\s+|any\s+)?(positive|negative|neutral)\s+(?:ones?|reviews?|comments?|messages?|"
    r"feedback|"
    r"mails?|e-?mails?|posts?|answers?|responses?)(?![\w@/-])",
    re.I,
)


_PLACE = r"(?:to|in|into|on|via|by)\s+(?:the\s+|our\s+)?(?:#|\x00|slack|discord|e-?mail)"
_KIND = re.compile(
    r"^(?:[\w '-]{2,40}:\s*)?(?:(?:and|the|all|any|every)\s+)*(?P<label>[a-z][a-z-]+)(?:\s+(?:ones?|tickets?|"
    r"messages?|requests?|"
    r"mails?|e-?mails?|"
    r"questions?|cases?|reports?|issues?|complaints?|orders?|stuff|things|feedback|leads?|reviews?))?\s+"
    r"(?:(?:should|must|will)\s+)?"
    rf"(?:(?:go(?:es)?|gets?|is|are|be)\s+)?(?:(?:sent|forwarded|routed|posted|straight|directly)\s+"
    rf")?(?P<place>{_PLACE}.*)$",
    re.I | re.S,
)
#: Several kinds, each with its place: nothing but a sorting can tell them apart.
_KINDS = re.compile(
    rf"\bones?\b[^.;]*{_PLACE}|{_PLACE}[^.;]*[,;.]\s*(?:and\s+)?[a-z-]+\s+(?:ones\s+)?(?:go(?:es)?\s+)?{_PLACE}",
    re.I,
)
_NO_KIND = frozenset("it them they this that everything all rest others which everyone both results data".split())


class Premises:
    """labels: those a classification before has. known: blocks that are there already, the trigger's too."""

    def __init__(self, tree: Tree, labels: list[str], known: frozenset[str], about: str = "") -> None:
        self._tree = tree
        self._about = about
        self.labels = labels
        self._known = known
        #: The classification that conditions like "the guest sounds unhappy" share.
        self._judge: Action | None = None
        self._limit: Test | None = None

    def bounded(self, clause: str) -> bool:
        """ "it must not get warmer than 5 degrees": what a later "if it does" means."""
        match = turns.MUST_NOT.match(clause)
        if match is None or turns.IF.match(clause):
            return False
        test = conditions.find(f"{match.group(1)} is {match.group(2)}")
        named = scales.comparative(match.group(2))
        self._limit = named[0] if named else test
        return self._limit is not None

    def test(self, word: str, text: str) -> Test | None:
        if self._limit and turns.DOES.fullmatch(text.strip(" ,.")):
            return self._limit
        if sky := self._sky(text):
            return conditions.negated(sky) if word.lower() == "unless" else sky
        approved = turns.APPROVED.match(text)
        if approved:
            denied = bool(turns.DENIED.match(approved.group(1)))
            test: Test | None = Test((Condition("approved", "eq", not denied),))
        else:
            test = (judgement.failed(text) if self._calls() else self._reported(text)) or conditions.find(text)
        if test is None:
            test = self._quality(text)
        if test is not None and conditions.undirected(test) and (label := self.named(text)):
            test = Test((Condition("", "eq", label),), said=text)
        if test is not None:
            test = replace(test, conditions=tuple(map(self._settled, test.conditions)))
            if self._twice(test.conditions[0]):
                # What the first comparison remembers would be what the second one compares with.
                return None
        return conditions.negated(test) if test and word.lower() == "unless" else test

    def _twice(self, condition: Condition) -> bool:
        """Whether the value of the run before is compared a second time: "if it went down, …" after "if it went up"."""
        told = self._tree.last[0].test.conditions[0] if self._tree.last and self._tree.last[0].test.conditions else None
        return bool(told and told.right == condition.right == memory.LAST and told.subject == condition.subject)

    def _sky(self, text: str) -> Test | None:
        """ "it rains tomorrow": looked up and judged, where no data says so."""
        told = weather.asked(text)
        if told is None or self._known & {"webhook", "trigger_chat"} or "http-request" in self._tree.blocks():
            return None
        query, label, denied = told
        self._tree.add(Action("web-search", {"query": query}, topic="weather"))
        self._tree.add(Action("classify", {"labels": [label, f"not {label}"]}, topic="weather", clause="judge it"))
        return Test((Condition("", "neq" if denied else "eq", label),), said=text)

    def whether(self, text: str) -> Test | None:
        """ "check whether it is above 5": a test, unless it lists what it may be."""
        return None if conditions.listing(text) else self.test("if", text)

    def held(self, word: str, text: str) -> Test | None:
        """A test, or what somebody's words mean."""
        return self.test(word, text) or self.judged(text)

    def lost(self, told: str, word: str) -> bool:
        """Whether a message hangs on a condition that was not understood: it must not go out whatever happens."""
        if word.lower() not in ("if", "unless", "whenever", "in case"):
            return False
        action = actions.recognise(turns.told(told), self._about)
        return action is not None and action.block in ("slack-send-message", "discord-send-message", "send-email")

    def _quality(self, text: str) -> Test | None:
        """ "overdue", "not paid yet", said of an item."""
        match = _QUALITY.fullmatch(text.strip(" ,."))
        if match is None or not (self._tree.loops or self._tree.blocks() & LISTS):
            return None
        given = actions.stated(match.group(2), "neq" if match.group(1) else "eq")
        return Test((Condition(given["field"], given["op"], given["right"]),), said=text)

    def _settled(self, condition: Condition) -> Condition:
        """What is compared, when only a unit or what was said before tells it: "at least 3 years", "it is above 5"."""
        if _TRADED.match(condition.subject) and re.search(_MONEY, condition.said, re.I):
            return replace(condition, subject="amount")
        if self._tree.loops and condition.subject.startswith("number of "):
            return replace(condition, subject=condition.subject.removeprefix("number of "))
        if condition.subject and not _PRONOUN.fullmatch(condition.subject):
            return condition
        told = self._tree.last[0].test.conditions[:1] if self._tree.last else ()
        if condition.op in ("eq", "neq") and isinstance(condition.right, str) and condition.right not in self.labels:
            if told and told[0].op in ("eq", "neq") and isinstance(told[0].right, str) and told[0].subject:
                return replace(condition, subject=told[0].subject)
        if condition.op == "eq" and isinstance(condition.right, str) and self._data():
            if re.fullmatch(r"[a-z]+", condition.right) and condition.right not in self.labels:
                return replace(condition, subject=actions.stated(condition.right)["field"])
            return condition
        earlier = self._tree.last[0].test.conditions[:1] if self._tree.last else ()
        if condition.right == memory.LAST and earlier and earlier[0].right == memory.LAST and earlier[0].subject:
            return replace(condition, subject=earlier[0].subject)
        if condition.right == memory.LAST:
            named = _NAMED.search(self._about)
            return replace(condition, subject=named.group(1)) if named else condition
        if not isinstance(condition.right, int | float) or isinstance(condition.right, bool):
            return condition
        unit = re.search(r"\d[\d.,]*\s+([a-z]{3,})", condition.said)
        for action in reversed(self._tree.actions()):
            if unit:
                if name := next((each for each in _properties(action) if unit.group(1).rstrip("s") in each), None):
                    return replace(condition, subject=name)
            numeric = [each for each, schema in _properties(action).items() if schema.get("type") == "number"]
            if len(numeric) == 1:
                return replace(condition, subject=numeric[0])
        before = self._tree.last[0].test.conditions if self._tree.last else ()
        same = next((c for c in before if c.subject and isinstance(c.right, int | float)), None)
        if same is not None:
            return replace(condition, subject=same.subject)
        if named := _NAMED.search(self._about):
            return replace(condition, subject=named.group(1))
        measured = next((name for pattern, name in _QUANTITIES if pattern.search(condition.said)), None)
        return replace(condition, subject=measured) if measured else condition

    def _data(self) -> bool:
        """Whether what is at hand is data with fields, and neither a text nor a category."""
        return not self.labels and "trigger_chat" not in self._known and (
            "webhook" in self._known or self._tree.loops or bool(self._tree.blocks() & LISTS)
        )  # fmt: skip

    def named(self, text: str) -> str | None:
        """The label a text names."""
        return next((each for each in self.labels if re.search(rf"\b{re.escape(each)}\b", text, re.I)), None)

    def _reported(self, text: str) -> Test | None:
        """ "if it failed", of what a hook reports: its status says so."""
        if "webhook" not in self._known or (ended := judgement.failed(text)) is None:
            return None
        well = ended.conditions[0].op in ("lt", "eq")
        return Test((Condition("status", "neq" if well else "eq", "failed"),), said=text)

    def _calls(self) -> bool:
        return bool((self._known | self._tree.blocks()) & {"http-request", "send-webhook"})

    def judged(self, text: str) -> Test | None:
        """What somebody's words mean: a label of a classification, which is put in front when there is none yet."""
        chat = "trigger_chat" in self._known
        label = judgement.meant(text, feelings_only=not chat and not _TEXTUAL.match(text))
        if label is None or not (chat or self._known & {"webhook"} or self._tree.blocks() & LISTS):
            return None
        return self._labelled(label, text)

    def picked(self, clause: str, about: str) -> tuple[str, str] | None:
        """(label, what to do) of "urgent ones go to …", "for billing questions: …"."""
        for label in self.labels:
            if lead := re.match(
                rf"^(?:for|in\s+case\s+of|with|on)\s+(?:the\s+|all\s+|any\s+|"
                rf"an?\s+)?{words.forms(label)}(?:\s+(?:ones|messages|questions|requests|reports))?\b[\s,:]*(.*)$",
                clause,
                re.I | re.S,
            ):
                return label, lead.group(1)
            found = re.search(
                rf"(?<![\w#@/-])(?:the\s+|all\s+)?{words.forms(label)}(?:\s+(?:ones?|messages?|questions?|"
                rf"requests?|reviews?|cases?|items?|mails?|emails?|tickets?))?(?![\w@/-])",
                words.masked(clause), re.I,
            )  # fmt: skip
            shorter = f"{clause[: found.start()]}it{clause[found.end() :]}" if found else clause
            if shorter != clause:
                if actions.recognise(turns.told(shorter), about) is not None:
                    return label, shorter
                plain = phrasing.imperative(shorter)
                if plain != shorter and actions.recognise(plain, about) is not None:
                    return label, plain
        return self._felt(clause, about) or self._kind(clause, about)

    def _kind(self, clause: str, about: str) -> tuple[str, str] | None:
        """ "urgent ones go to …, normal ones to …": kinds of what came in, where nothing has sorted it yet."""
        found = _KIND.match(words.masked(clause))
        if found is None or self._tree.loops or not self._known & {"trigger_chat", "webhook"}:
            return None
        if self._judge is None and (self.labels or not _KINDS.search(words.masked(about))):
            return None
        label = clause[slice(*found.span("label"))].lower()
        if label in _NO_KIND or label.split()[0] in VERBS:
            return None
        self._labelled(label, clause)
        return label, f"send it {clause[found.start('place') :]}"

    def _felt(self, clause: str, about: str) -> tuple[str, str] | None:
        """ "negative ones go to …" before anything has judged what came in."""
        found = _FELT.search(words.masked(clause))
        if found is None or self.labels or not (self._known & {"trigger_chat", "webhook"} or self._tree.loops):
            return None
        shorter = f"{clause[: found.start()]}it{clause[found.end() :]}"
        if actions.recognise(turns.told(shorter), about) is None and phrasing.imperative(shorter) == shorter:
            return None
        self._judge = Action("classify", {"labels": ["positive", "neutral", "negative"]}, topic="text")
        self._tree.add(self._judge)
        self.labels = [*self._judge.payload["labels"]]
        return found.group(1).lower(), shorter

    def unwanted(self, clause: str) -> bool:
        """ "throw away the spam": nothing is done with such a message; what is done with the others follows."""
        match = _UNWANTED.match(clause)
        if match is None or self._tree.blocks() & LISTS or not self._known & {"trigger_chat", "webhook"}:
            return False
        label = match.group(1).lower()
        self._tree.branched(self._labelled(label, clause))
        return True

    def _labelled(self, label: str, text: str) -> Test:
        """A condition on a label, with the classification in front of it."""
        if label not in self.labels:
            if self._judge is None:
                chat = "trigger_chat" in self._known
                self._judge = Action(
                    "classify",
                    {"labels": ["other"]},
                    topic="message" if chat else "text",
                    clause="the chat message" if chat else "",
                )
                if self._tree.branch and self._tree.branch.then:
                    self._tree.sentence()
                self._tree.add(self._judge)
            self._judge.payload["labels"].insert(-1, label)
            self.labels = [*self._judge.payload["labels"]]
        return Test((Condition("", "eq", label),), said=text)

    def repeated(self, text: str) -> bool | None:
        """Whether "when it's lower …" means what the condition before asks, or its opposite; None when neither."""
        return judgement.relative(text, self._tree.last[0].test if self._tree.last else None)

    def opposite(self, test: Test) -> bool:
        """Whether a test is the other branch of the condition told last, and no condition of its own."""
        branch = self._tree.last[0] if self._tree.last else None
        if branch is None or branch.otherwise or len(test.conditions) != 1 or len(branch.test.conditions) != 1:
            return False
        if test.conditions[0].op == "changed":
            return False
        return conditions.negated(branch.test).conditions == test.conditions


def follows(text: str) -> bool:
    """Whether a condition is followed by what to do, and does not hold for the step before."""
    return any(actions.recognise(text[cut.end() :], "") for cut in turns.VERB.finditer(words.masked(text)))
