"""Reads a request for a workflow: clauses into a tree of steps under a trigger.

Invariant: the order of the steps is the order of the sentence; a condition holds for what follows it up to the end of
its sentence, "otherwise" begins its other branch. Callers: ``dialogue``, ``change``.
"""

from __future__ import annotations

import re

from caddie.models.offline import actions, clauses, conditions, words
from caddie.models.offline.request import Action, Branch, Loop, Request, Step, Test

_IF = re.compile(r"^(?:and\s+|but\s+|only\s+)?(if|unless|when|in\s+case|whenever|once)\s+(.+)$", re.I | re.S)
_ELSE = re.compile(r"^(?:otherwise|else|if\s+not)\b[\s,:]*(.*)$", re.I | re.S)
_LOOP = re.compile(
    r"^(?:loop\s+(?:over|through)|for|iterate\s+over|go\s+through)\s+(?:each|every|all(?:\s+of)?|"
    r"the)?\s*(?:of\s+the\s+|the\s+)?([\w -]+?)(?:\s+(?:in|of|from)\s+(?:the\s+)?([\w ]+?))?(?:\s*[:,]\s*|$|"
    r"\s+(?=(?:if|send|post|email|summari[sz]e|call|log|fetch|classify|extract|ask|write|translate|reply|notify|"
    r"wait)\b))(.*)$",
    re.I | re.S,
)
_SUFFIX = re.compile(r"^(.+?)\s*,?\s+(?:but\s+)?(?:only\s+)?(if|unless|when|in\s+case)\s+(.+)$", re.I | re.S)
_THEN = re.compile(r"^(.*?)\s*(?:,\s*then\b|\bthen\b|,|:)\s*(.+)$", re.I | re.S)
_APPROVED = re.compile(
    r"^(?:it\s+|that\s+|they\s+|(?:s?he|i|someone|the\s+\w+)\s+)?(?:(?:is|gets|was|are)\s+)?(approves?|approved|agrees?|confirms?|confirmed|accepts?|accepted|says?\s+yes|declines?|declined|rejects?|rejected|denied|refuses?|says?\s+no)(?:\s+it)?\b[,\s]*(.*)$",
    re.I | re.S,
)
_DENIED = re.compile(r"^(?:declin|reject|den|refus|says?\s+no)", re.I)
_VERB = re.compile(rf"\s+(?=(?:then\s+)?{clauses._LEAD})", re.I)


def understand(text: str, timezone: str) -> Request:
    """The request in a text; `unknown` holds the clauses that say nothing to this model."""
    trigger, rest = clauses.trigger(clauses.without_politeness(text), timezone)
    reader = _Reader(text)
    for sentence in re.split(r"(?<=[.!?;])\s+(?=[A-Z])|\n+", clauses.without_politeness(rest)):
        reader.sentence()
        for clause in clauses.split(sentence):
            reader.clause(clause)
    return Request(trigger, reader.steps, reader.unknown)


class _Reader:
    """Where the next step goes: the innermost open branch or loop."""

    def __init__(self, about: str) -> None:
        self._about = about
        self.steps: list[Step] = []
        self.unknown: list[str] = []
        self._open: list[list[Step]] = [self.steps]
        self._branches: list[tuple[Branch, int]] = []

    def sentence(self) -> None:
        """A full stop closes the branches; a loop stays open, for its body is told in several sentences."""
        if self._branches:
            del self._open[self._branches[0][1] :]
            self._branches.clear()

    def clause(self, clause: str) -> None:
        clause = _imperative(clause.strip(" ,.;:"))
        if not clause:
            return
        if match := _ELSE.match(clause):
            self._otherwise(match.group(1))
        elif match := _LOOP.match(self._fetched(clause)):
            self._loop(match.group(2) or match.group(1), match.group(3))
        elif match := _IF.match(clause):
            self._condition(match.group(1), match.group(2))
        elif (match := _SUFFIX.match(clause)) and (test := self._test(match.group(2), match.group(3))):
            branch = Branch(test)
            self._add(branch)
            self._branches.append((branch, len(self._open)))
            self._open.append(branch.then)
            self.clause(match.group(1))
        else:
            self._action(clause)

    def _fetched(self, clause: str) -> str:
        """ "for each item in https://…" without the address, which becomes a step in front."""
        address = words.url(clause)
        match = re.match(
            r"^(?:for|loop\b|iterate\b|go\s+through)\s+.*?\s+(?:in|of|from|at)\s+(?=https?:)", clause, re.I
        )
        if address is None or match is None:
            return clause
        self._add(
            Action(
                "http-request", {"method": "GET", "url": address}, topic=re.sub(r"^.*/", "", address), clause=address
            )
        )
        head = re.sub(r"\s+(?:in|of|from|at)\s+$", "", match.group())
        return f"{head}: {clause[match.end() + len(address) :].strip(' ,:')}"

    def _action(self, clause: str) -> None:
        action = actions.recognise(clause, self._about)
        if action is not None:
            self._add(action)
        elif not re.fullmatch(
            r"(?:do|does|it|workflow|automation|flow|stop|nothing|thanks?|please|\W|do\s+nothing|thank\s+you)+",
            clause,
            re.I,
        ):
            self.unknown.append(clause)

    def _add(self, step: Step) -> None:
        self._open[-1].append(step)

    def _test(self, word: str, text: str) -> Test | None:
        approved = _APPROVED.match(text)
        if approved:
            said = "declined" if _DENIED.match(approved.group(1)) else "approved"
            test: Test | None = conditions.find(f"approved is {'false' if said == 'declined' else 'true'}")
        else:
            test = conditions.find(text)
        return conditions.negated(test) if test and word.lower() == "unless" else test

    def _condition(self, word: str, text: str) -> None:
        """ "if A above 5 post it": the condition ends where the first verb of an action begins."""
        approved = _APPROVED.match(text)
        if approved and (test := self._test(word, text)):
            self._branch(test, approved.group(2))
            return
        shadow = words.masked(text)
        cuts = [(match.start(), match.end()) for match in _VERB.finditer(shadow)]
        if comma := _THEN.match(shadow):
            cuts.insert(0, (comma.end(1), comma.start(2)))
        for end, start in [*cuts[:8], (len(text), len(text))]:
            test = self._test(word, text[:end])
            if test is not None:
                self._branch(test, re.sub(r"^then\s+", "", text[start:].strip(), flags=re.I))
                return
        self.unknown.append(f"{word} {text}")

    def _branch(self, test: Test, rest: str) -> None:
        branch = Branch(test)
        self._add(branch)
        self._branches.append((branch, len(self._open)))
        self._open.append(branch.then)
        if rest:
            self.clause(rest)

    def _otherwise(self, rest: str) -> None:
        if not self._branches:
            self.clause(rest)
            return
        branch, depth = self._branches[-1]
        del self._open[depth:]
        self._open.append(branch.otherwise)
        if rest:
            self.clause(rest)

    def _loop(self, items: str, rest: str) -> None:
        loop = Loop(items.strip())
        self._add(loop)
        self._open.append(loop.body)
        if rest.strip():
            self.clause(rest)


def _imperative(clause: str) -> str:
    """ "sends it to …" → "send it to …": a workflow told in the third person."""
    first, _, rest = clause.partition(" ")
    low = first.lower()
    if low in ("runs", "starts", "works", "triggers") and not re.search(r"\bworkflow|flow\b", rest):
        return _imperative(rest) if rest else ""
    endings = (
        low[:-2] if low.endswith("es") else "",
        low[:-1] if low.endswith("s") else "",
        f"{low[:-3]}y" if low.endswith("ies") else "",
    )
    verb = next((name for name in endings if name in clauses.VERBS), None)
    return f"{verb} {rest}".strip() if verb and low not in clauses.VERBS else clause
