"""Puts clauses into a tree of steps, one after another.

Invariant: the order of the steps is the order of the sentence; a condition holds for what follows it up to the end of
its sentence, "otherwise" begins its other branch. Callers: ``understand``.
"""

from __future__ import annotations

import re

from caddie.models.offline import (
    actions,
    clauses,
    conditions,
    guess,
    judgement,
    notices,
    outside,
    paraphrase,
    persona,
    phrasing,
    pointing,
    reading,
    scales,
    sequence,
    turns,
    words,
)
from caddie.models.offline.lists import Lists
from caddie.models.offline.premises import Premises, follows
from caddie.models.offline.request import Action, Condition, Loop, Step, Test
from caddie.models.offline.tree import LISTS, Tree
from caddie.models.offline.verbs import VERBS

#: A condition told after one of these is about what it brings.
_BRINGS = (*LISTS, "human_confirmation", "wait", "classify")


class Reader:
    """about: the whole request. labels: those a classification before has. known: blocks that are there already."""

    def __init__(self, about: str, labels: list[str], known: frozenset[str] | set[str] = frozenset()) -> None:
        self._about = about
        self._tree = Tree()
        self.unknown: list[str] = []
        self._known = known
        self._premises = Premises(self._tree, labels, frozenset(known), about)
        self._lists = Lists(self._tree, known, self.clause)
        self._rows = ""
        self._asides: list[str] = []
        #: The steps of this sentence.
        self._said: list[Step] = []
        self._always = False

    @property
    def steps(self) -> list[Step]:
        return self._tree.steps

    def sentence(self) -> None:
        self._tree.sentence()
        self._said = []

    def clause(self, clause: str) -> None:
        clause = paraphrase.clause(turns.told(clause.strip(" ,.;:")))
        readers = (self._premises.unwanted, self._premises.bounded, self._described, self._lists.read)
        if not clause or any(read(clause) for read in readers):
            return
        if always := turns.ALWAYS.match(clause):
            self.sentence()
            self._always = True
            clause = turns.told(turns.REGARDLESS.sub("", clause)) if always else clause
        if self._trails(clause):
            return
        if match := turns.SO.match(clause):
            self._resume(match.group(1))
        elif (match := turns.WHETHER.match(clause)) and (test := self._premises.whether(match.group(1))):
            self._branch(test, "")
        elif approved := turns.consented(clause):
            if "human_confirmation" not in self._tree.blocks():
                self._add(Action("human_confirmation", topic="approval"))
            self.clause(approved)
        elif (match := turns.ELSE.match(clause)) and (self._tree.last or not turns.IF.match(clause)):
            self._otherwise(match.group(1))
        elif match := turns.LOOP.match(self._fetched(clause)):
            self._loop(turns.items(match), match.group(3))
        elif match := turns.OVER.match(clause):
            self._loop(self._rows or match.group(1) or "item", match.group(2))
        elif self._repeats() and (each := pointing.each(clause)):
            self._loop(*each)
        elif match := turns.IF.match(clause):
            self._condition(match.group(1), match.group(2))
        elif self._selected(clause):
            return
        elif (match := turns.SUFFIX.match(clause)) and turns.DONE.match(match.group(3)):
            self.clause(match.group(1))
        elif match and (holds := self._premises.repeated(match.group(3))) is not None:
            (self._resume if holds else self._resume_otherwise)(match.group(1))
        elif match and (test := self._premises.held(match.group(2), match.group(3))):
            self._branch(test, match.group(1))
        elif match and self._premises.lost(match.group(1), match.group(2)):
            self.unknown.append(clause)
        else:
            self._action(clause)

    def heed(self, sentence: str) -> None:
        self._asides.append(sentence.strip(" ."))

    def embodied(self, who: str, bot: bool) -> None:
        """In a chat with a bot, what no step does is what the bot has to heed."""
        self.unknown = persona.embodied(self.steps, self.unknown, self._asides if bot and who else [], who, bot)

    def finish(self, blind: bool) -> None:
        """blind: the trigger brings no data, so what a condition looks at has to be fetched."""
        self._lists.settle()
        sequence.remembered(self.steps)
        sequence.settled(self.steps, "webhook" in self._known)
        if blind:
            sequence.hoisted(self.steps)
            sequence.supplied(self.steps)

    def _trails(self, clause: str) -> bool:
        """ "log it, unless the amount is zero": nothing follows, so it holds for the step before in the sentence."""
        only, late, here = turns.ONLY_IF.match(clause), turns.IF.match(clause), self._tree.here
        if only and not follows(only.group(2)) and self._gated(only.group(1), only.group(2)):
            return True
        if late is None or late.group(1).lower() not in ("if", "unless") or not here or here[-1:] != self._said[-1:]:
            return False
        text, sends = late.group(2), isinstance(here[-1], Action) and here[-1].block not in _BRINGS
        more = follows(text) or self._tree.branch or turns.APPROVED.match(text) or turns.THEN.match(words.masked(text))
        return sends and not more and self._gated(late.group(1), text)

    def _gated(self, word: str, text: str) -> bool:
        """ "…, but only if it is above 5": a condition for the step before."""
        test = self._premises.test(word, text)
        before = self._tree.here
        if test is None or not before or not isinstance(before[-1], Action):
            return False
        last = before.pop()
        self._branch(test, "")
        self._add(last)
        return True

    def _fetched(self, clause: str) -> str:
        """ "for each item in https://…" without the address, which becomes a step in front."""
        address, shorter = pointing.located(clause)
        if address:
            self._add(outside.fetched(address))
        return shorter

    def _selected(self, clause: str) -> bool:
        """ "urgent ones go to …", "post the bad ones …", "the rest …": a label, or what is left, as a condition."""
        rest = re.search(rf"\b{clauses.REST}\b", clause, re.I)
        if rest and self._tree.last and not re.search(r"\brest\s+api\b", clause, re.I):
            before, after = clause[: rest.start()], clause[rest.end() :]
            told = after.strip(" ,:") if re.fullmatch(r"(?:for|with|in|on)\s+", before, re.I) else f"{before}it{after}"
            self._resume_otherwise(re.sub(r"\s+", " ", told))
            return True
        heavier = scales.comparative(clause)
        if heavier is not None:
            test, start, end = heavier
            self._branch(test, f"{clause[:start]}it{clause[end:]}")
            return True
        if picked := self._premises.picked(clause, self._about):
            label, told = picked
            self._branch(Test((Condition("", "eq", label),), said=label), told)
        return picked is not None

    def _repeats(self) -> bool:
        """Whether there is a list, and no loop over it yet."""
        return not self._tree.loops and bool(self._rows or self._tree.blocks() & LISTS)

    def _described(self, clause: str) -> bool:
        """ "it has a list called rows", "pass it the body": what another clause needs to know."""
        if match := turns.ROWS.match(clause):
            self._rows = match.group(1)
            return True
        last = self._tree.actions()[-1:]
        if turns.goes(clause, self._tree.blocks()):
            return True
        if last and last[0].block == "send-email" and (copy := turns.COPY.match(clause)):
            last[0].payload["cc"] = words.emails(copy.group(1))
            return True
        if notices.stated(clause, self._tree.actions()) or notices.added(clause, self._tree.actions()):
            return True
        if last and last[0].block == "trigger-workflow" and turns.PASSED.match(clause):
            last[0].members = ["*"]
            return True
        return False

    def _action(self, clause: str) -> None:
        if turns.NOTHING.fullmatch(clause) or turns.TAKEN.fullmatch(clause):
            return
        clause = pointing.resolved(clause, self._tree.sent(), "trigger_chat" in self._known)
        first = clause.split()[0].lower()
        if first not in VERBS and (again := phrasing.imperative(clause)) != clause:
            clause = again
        action = actions.recognise(clause, self._about)
        if action is None and self._stated(clause):
            return
        if action is None and turns.ELLIPSIS.match(clause):
            action = actions.recognise(f"send it {clause}", self._about)
        if action is None and (address := words.url(clause)):
            action = outside.fetched(address, reading.about_what(clause, turns.FIRST))
        if action is None and not (first not in VERBS and turns.background(clause)):
            action = guess.searched(clause)
        if action is not None:
            action.guessed = action.guessed and not (action.block == "agent" and "trigger_chat" in self._known)
            for each in outside.needed(action, clause):
                self._add(each)
            action.always, self._always = self._always, False
            self._add(action)
            for each in outside.others(action, clause):
                self._add(each)
            for more in actions.destinations(action, clause):
                self._add(more)
            if action.block == "human_confirmation" and (match := turns.BEFORE.match(clause)):
                self._branch(Test((Condition("approved", "eq", True),)), paraphrase.after_yes(match.group(2)))
        elif not turns.EMPTY.fullmatch(clause) and not turns.AIM.match(clause):
            (self._asides if turns.background(clause) else self.unknown).append(clause)

    def _stated(self, clause: str) -> bool:
        """A comparison without "if", in front of what to do: "the temperature is above 5 log it"."""
        shadow = words.masked(clause)
        for match in list(turns.VERB.finditer(shadow))[:6]:
            test = conditions.find(clause[: match.start()])
            if (
                test is not None
                and test.conditions[0].subject
                and not (conditions.undirected(test) and turns.background(clause))
            ):
                self._branch(test, clause[match.end() :])
                return True
        return False

    def _add(self, step: Step) -> None:
        if isinstance(step, Action) and step.block == "classify":
            self._premises.labels = [str(each) for each in step.payload.get("labels") or []]
        self._tree.add(step)
        self._said.append(step)

    def _condition(self, word: str, text: str) -> None:
        """ "if A above 5 post it": the condition ends where the first verb of an action begins."""
        approved = turns.APPROVED.match(text)
        if approved and (test := self._premises.test(word, text)):
            if re.match(r"(?:and|or)\b", approved.group(2)):
                approved = None
            else:
                self._decided(test, approved.group(2))
                return
        if (
            any(each.block == "wait" for each in self._tree.actions())
            and word.lower() != "unless"
            and self._outcome(text)
        ):
            return
        shadow = words.masked(text)
        cuts = [(match.start(), match.end()) for each in turns.CUTS for match in each.finditer(shadow)]
        cuts = sorted(cut for cut in cuts if not re.fullmatch(r"[a-z]+s", text[cut[1] :].strip()))
        if comma := turns.THEN.match(shadow):
            cuts.insert(0, (comma.end(1), comma.start(2)))
        for end, start in [*cuts[:10], (len(text), len(text))]:
            then = re.sub(r"^then\s+", "", text[start:].strip(), flags=re.I)
            if (holds := self._premises.repeated(text[:end])) is not None:
                self._resume(then) if holds else self._resume_otherwise(then)
                return
            test = self._premises.test(word, text[:end])
            if test is None or (conditions.undirected(test) and not self._premises.named(text[:end])):
                test = self._premises.judged(text[:end]) or test
            if test is not None:
                self._resume_otherwise(then) if self._premises.opposite(test) else self._branch(test, then)
                return
        self.unknown.append(f"{word} {text}")
        # What hangs on a condition nobody understands must not happen unconditionally.
        self._tree.lost()

    def _decided(self, test: Test, rest: str) -> None:
        """Approved or declined; the other answer of a question asked already is the other branch of it."""
        right = test.conditions[0].right
        if self._tree.last and any(
            c.subject == "approved" and c.right is not right for c in self._tree.last[0].test.conditions
        ):
            self._resume_otherwise(rest)
        else:
            self._branch(test, rest)

    def _outcome(self, text: str) -> bool:
        """How a wait ended."""
        late, came = turns.TIMED_OUT.match(text), turns.RESUMED.match(text)
        if late and (not came or re.match(r"nothing|nobody|no\s*one|none", text, re.I)):
            if self._tree.last and self._tree.last[0].waits:
                self._resume_otherwise(late.group(1))
            else:
                self._branch(Test((), said="waited"), "", waits=True)
                self._otherwise(late.group(1))
            return True
        if came:
            self._branch(Test((), said="waited"), came.group(1), waits=True)
            return True
        return False

    def _branch(self, test: Test, rest: str, waits: bool = False) -> None:
        outer = self._tree.branch
        asked = [each.subject for each in (*test.conditions, *(outer.test.conditions if outer else ()))]
        if outer and outer.then and not waits and "approved" not in asked:
            # A condition told after what another one leads to stands beside it, not within it.
            self.sentence()
        if test.conditions and (how := re.match(r"number\s+of\s+(.+)", test.conditions[0].subject)):
            if not self._tree.loops and self._tree.blocks() & LISTS:
                self._lists.number_of(how.group(1))
        said = [each.subject for each in test.conditions] + ([] if self._tree.blocks() & LISTS else [test.said])
        if address := words.url(" ".join(said)):
            self._add(outside.fetched(address))
            test = judgement.failed(f"it {conditions.unaddressed(test).said}") or conditions.unaddressed(test)
        self._tree.branched(test, waits)
        self._rest(rest)

    def _otherwise(self, rest: str) -> None:
        if not self._tree.last and [each.block for each in self._tree.actions()[-1:]] == ["wait"]:
            self._branch(Test((), said="waited"), "", waits=True)
        self._tree.otherwise()
        self._rest(rest)

    def _resume(self, rest: str) -> None:
        """Back on the branch where the last condition holds."""
        if not self._tree.branch:
            self._tree.resumed()
        self._rest(rest)

    def _resume_otherwise(self, rest: str) -> None:
        self._tree.resumed(otherwise=True)
        self._rest(rest)

    def _rest(self, rest: str) -> None:
        if rest.strip():
            self.clause(rest)

    def _loop(self, items: str, rest: str) -> None:
        qualified = turns.QUALIFIED.match(items)
        items = (qualified.group(1) if qualified else items).strip()
        items, most = self._lists.most(items)
        self._tree.looped(Loop("item" if pointing.THEY.fullmatch(items) else items, rows=self._rows, most=most))
        rest = re.sub(r"^one\s+by\s+one\b[\s,]*(?:and\s+)?", "", turns.WITH.sub(r"\1\2 is \3", rest), flags=re.I)
        text = f"{qualified.group(0)[qualified.start(2) :]} {rest}" if qualified else rest
        if qualified or (
            qualified := re.match(r"^(?:whose|with|where|that\s+(?:is|are|has|have))\s+(.+)$", rest, re.I | re.S)
        ):
            self._condition("if", text if text != rest else qualified.group(1))
        else:
            self._rest(rest)
