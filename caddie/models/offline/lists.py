"""What a request does with a list as a whole: a part of it, only what is new, how many; and what follows a loop.

Invariant: a list is cut, counted or compared with the run before only where something brings one. Callers: ``reader``.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from caddie.models.offline import actions, conditions, memory, turns, words
from caddie.models.offline.outside import fetched
from caddie.models.offline.request import Action, Condition, Loop, Test
from caddie.models.offline.tree import LISTS, Tree

_NUMBER = rf"\d{{1,2}}|{words.NUMBER_WORD}"
#: "the first three articles", "the top 5", "at most ten of them".
_PART = re.compile(
    rf"\b(?:(?:only|just)\s+)?(?:the\s+|its\s+|our\s+)?(?P<which>first|top|latest|newest|last|most\s+recent|"
    rf"best|biggest|largest|highest|cheapest|"
    rf"most\s+\w+|oldest|lowest|longest|shortest|smallest|worst|next|upcoming|at\s+most|no\s+more\s+than|up\s+"
    rf"to|max(?:imum)?)\s+(?P<count>{_NUMBER})\b"
    r"(?!\s*(?:seconds?|minutes?|hours?|days?|weeks?|months?|years?|times?|words?|sentences?|lines?|bullets?|percent|%|"
    r"euros?|dollars?|characters?|points?))"
    r"(?:\s+(?:of\s+(?:the\s+|these\s+|them)?)?)?(?P<noun>(?:(?!in\b|to\b|from\b|on\b|by\b|at\b|and\b|via\b|"
    r"for\b|of\b)[a-z][\w-]*\s?){0,2})",
    re.I,
)
#: "the 5 newest"
_COUNT_FIRST = re.compile(
    rf"\bthe\s+(\d{{1,2}}|{words.NUMBER_WORD})\s+(most\s+[a-z]+|newest|latest|oldest|best|biggest|largest|highest|lowest|"
    r"cheapest|top|first|longest|shortest|smallest|worst)\b(?!\s+\d)",
    re.I,
)
#: In the order they came: a loop can stop after so many.
_ORDERED = re.compile(r"first|at\s+most|no\s+more|up\s+to|max|next|top|latest|newest|most\s+recent", re.I)
_BEFORE = r"(?:\s+(?:yet|before|already|last\s+time|yesterday))*"
_SEEN = r"(?:been\s+)?(?:seen|posted|sent|reported|there|processed|announced|had|get|got)"
_UNSEEN = (
    rf"(?:that|which)\s+(?:i|we|it)?\s*(?:have|has|did|were|was)?\s*(?:not\s+(?:yet\s+)?{_SEEN}|never\s+"
    rf"{_SEEN}){_BEFORE}"
)
_SOME = r"(?:(?:only|just)\s+)?(?:(?:the|all|any|every|each)\s+)?"
_NEW = re.compile(
    rf"\b(?:(?:(?:only|just)\s+)?(?:any|some)thing\s+new|{_SOME}(?:brand[- ])?(?:new|unseen)\s+ones?|"
    rf"(?:only|just)\s+(?:the\s+)?(?:new|unseen)\s+[a-z]+|{_SOME}(?:new\s+)?[a-z]+\s+{_UNSEEN}|"
    rf"{_SOME}(?:new\s+)?[a-z]+\s+(?:that\s+(?:are|is)\s+)?new\s+since\s+[\w ]+?)"
    r"(?=\s+(?:to|in|on|via|by|into|at)\b|[\s,.]*$|,)",
    re.I,
)
_ONCE = re.compile(
    r"^(?:(?:but|and)\s+)?(?:(?:each|every)\s+(?:one|\w+)\s+(?:only\s+)?once|(?:never|do\s+not)\s+(?:send|post|report|"
    r"mail)\s+the\s+same\s+.*|(?:no|without|skip(?:ping)?|ignor(?:e|ing))\s+(?:the\s+)?(?:duplicates?|repeats?|"
    r"ones\s+.*already.*)|(?:only|just)\s+new\s+ones)$",
    re.I,
)
_IS_NEW = re.compile(
    r"^(?:if|when(?:ever)?|in\s+case|as\s+soon\s+as)\s+(?:there\s+(?:is|are)\s+)?(?:(?:any|some)thing\s+new|"
    r"(?:an?\s+|any\s+|"
    r"some\s+)?new\s+(?:ones?|[a-z]+))(?:\s+(?:appears?|shows?\s+up|comes?\s+(?:in|up|out)|is\s+(?:there|added|"
    r"published|"
    r"posted|listed)|are\s+(?:there|added)|there))?\s*,?\s+(?P<rest>.+)$",
    re.I | re.S,
)
_COUNT = re.compile(
    r"^(?:count|tell\s+me|check|see|find\s+out|get|determine|work\s+out)\s+(?:up\s+)?(?:how\s+many\s+"
    r"(?P<many>.+)|(?:the\s+)?number\s+of\s+(?P<number>.+))$|"
    r"^count\s+(?:up\s+)?(?:all\s+)?(?:the\s+)?(?P<plain>[a-z].+)$",
    re.I,
)
_DONE = re.compile(
    r"^(?:(?:at|in)\s+the\s+(?:very\s+)?end|(?:once|when)\s+(?:it|that|this|all|everything|they|you|the\s+"
    r"loop)\s+(?:(?:is|are)\s+)?(?:all\s+)?"
    r"(?:done|finished|through|processed|over|checked)|after(?:\s+(?:the\s+loop|that\s+loop|all\s+(?:of\s+"
    r")?(?:them|that)|going\s+through\s+\w+|the\s+last\s+one)))\b"
    r"[\s,:]*(?P<rest>.*)$",
    re.I | re.S,
)
_ALL_AT_ONCE = re.compile(
    r"\b(?:one|a\s+single)\s+(?:\w+\s+)?(?:e-?mail|mail|message|summary|digest|report|post|overview)\b|\ball\s+"
    r"(?:of\s+)?(?:the\s+)?(?:summaries|"
    r"results|answers|texts|translations|findings)\b",
    re.I,
)
#: Of which conditions pick some out: "the ones older than 30 days", "all orders that are unpaid".
_ONES = re.compile(
    r"\b(?:only\s+|just\s+)?(?:(?:the\s+|all\s+|any\s+|every\s+)?(?:ones?|those|everything|anything)|(?:all|any|"
    r"every|only|just|each)\s+(?:the\s+|those\s+|of\s+the\s+)?"
    r"(?P<noun>[a-z][\w-]+))\s+(?P<link>(?:that|which|who)\s+(?=\w)|whose\s+|where\s+(?:the\s+)?|with\s+|"
    r"without\s+|(?=(?:older|newer|more|less|over|under|above|below|created|"
    r"updated|published|due|from\s+(?:the|this|last|today|yesterday)|containing|mentioning|cheaper|bigger|"
    r"smaller|larger|higher|lower|costing)\b))",
    re.I,
)
_LEFT_OUT = re.compile(
    r"^(?:skip|ignore|drop|exclude|leave\s+out|omit|discard|filter\s+out)\s+(?:all\s+|any\s+|the\s+"
    r")?(?:anything|everything|those|ones|"
    r"(?P<noun>[a-z]+s))\s+(?P<how>without\s+.+)$",
    re.I,
)
_ENDS = re.compile(
    r"\s+(?=(?:to|in|on|via|by|into|for|and|as)\b|(?:an?|the)\s+(?:\w+\s+)?(?:e-?mail|message|reminder|note)\b)|\s*,\s*|\s*$",
    re.I,
)
_ADJECTIVE = re.compile(r"^([a-z]+)\s+([a-z]+s)\b", re.I)
_PLAIN = frozenset("new the all my our last current those these different total".split())


class Lists:
    """clause: reads a clause that is left over. known: blocks that are there already."""

    def __init__(self, tree: Tree, known: frozenset[str] | set[str], clause: Callable[[str], None]) -> None:
        self._tree = tree
        self._known = known
        self._clause = clause
        self._part: re.Match[str] | None = None

    def read(self, clause: str) -> bool:
        """Whether a clause was one about a list, and is read."""
        readers = (self._placed, self._after, self._lacking, self._counted, self._new, self._cut, self._picked)
        return any(read(clause) for read in readers)

    def most(self, items: str = "") -> tuple[str, int]:
        """What the loop that begins goes through, and how many of them; 0: all."""
        part, self._part = _PART.search(items) or self._part, None
        if part is None or not _ORDERED.match(part["which"]):
            return items, 0
        named = _PART.sub(lambda each: each["noun"] or "item", items).strip()
        return named, int(words.number(part["count"]) or 0)

    def _there(self) -> bool:
        return bool((self._tree.blocks() | self._known) & LISTS) and not self._tree.loops

    def _placed(self, clause: str) -> bool:
        """ "you can find them at https://…": where something said before is."""
        address = words.url(clause)
        if address is None or not turns.CONTEXT.match(clause):
            return False
        fetches = [each for each in self._tree.actions() if each.block == "http-request"]
        if open_ := [each for each in fetches if not each.payload.get("url")]:
            open_[-1].payload["url"] = address
            open_[-1].missing = [slot for slot in open_[-1].missing if slot.field != "url"]
        else:
            self._tree.add(fetched(address))
        return True

    def _after(self, clause: str) -> bool:
        done = _DONE.match(clause)
        if done is None and not (self._tree.loops and _ALL_AT_ONCE.search(clause)):
            return False
        if not self._tree.unlooped():
            return False
        rest = done["rest"] if done else clause
        if rest.strip():
            self._clause(rest)
        return True

    def _new(self, clause: str) -> bool:
        """ "post only new ones": what was there in the run before is left out."""
        if not self._there():
            return False
        if told := _IS_NEW.match(clause):
            rest = re.sub(r"\b(?:them|it)\b", "it", told["rest"])
        elif _ONCE.match(clause):
            last = self._tree.here[-1] if self._tree.here else None
            if not isinstance(last, Action) or last.block in LISTS:
                return False
            self._tree.here.pop()
            self._unseen()
            self._tree.add(last)
            return True
        elif found := _NEW.search(words.masked(clause)):
            rest = f"{clause[: found.start()]} it {clause[found.end() :]}"
        else:
            return False
        self._unseen()
        self._clause(re.sub(r"\s+", " ", rest).strip())
        return True

    def _unseen(self) -> None:
        source = next((each for each in reversed(self._tree.actions()) if each.block in LISTS), None)
        topic = source.topic if source and re.fullmatch(r"[a-z_ ]+s", source.topic) else "item"
        self._tree.looped(Loop(topic, most=self.most()[1]))
        self._tree.branched(Test((Condition("id", memory.UNSEEN),), said="it is new"))

    def _counted(self, clause: str) -> bool:
        """ "count how many open tickets https://… has"."""
        match = _COUNT.match(clause)
        if match is None:
            return False
        address = words.url(clause)
        if address is None and not self._there():
            return False
        what = match["many"] or match["number"] or match["plain"]
        what = re.sub(
            r"\s*\b(?:there\s+are|are\s+there|(?:at|in|from|on|of|under)\s+(?=https?:)|we\s+have|it\s+has)\b", "", what
        )
        if address:
            what = re.sub(
                rf"\s*(?:at|in|from|on|of)?\s*{re.escape(address)}\s*(?:has|have|lists?|shows?|returns?)?", "", what
            )
            self._tree.add(fetched(address))
        self.number_of(what.strip(" .,"))
        return True

    def number_of(self, what: str) -> None:
        """A step that counts: all of a list, or those called so."""
        what = re.sub(r"\s+(?:are|is)\s+(?=\w+$)", " ", what)
        topic = f"number of {words.bare(what)}"
        if any(each.block == "filter" and each.topic == topic for each in self._tree.actions()):
            return
        adjective = _ADJECTIVE.match(words.bare(what))
        trailing = re.match(r"^([a-z]+s)\s+(?:are\s+)?([a-z]+)$", words.bare(what), re.I)
        condition = {"field": "id", "op": "exists"}
        if adjective and adjective.group(1).lower() not in _PLAIN:
            condition = actions.stated(adjective.group(1))
        elif trailing and not re.search(r"(?:there|now|left|today)$", trailing.group(2)):
            condition = actions.stated(trailing.group(2))
        self._tree.add(Action("filter", {"conditions": [condition]}, topic=topic))

    def _lacking(self, clause: str) -> bool:
        """ "skip anything without a summary": of a list, or of what a loop does."""
        match = _LEFT_OUT.match(clause)
        if match is None:
            return False
        test = conditions.find(f"it {match['how']}" if match["how"].lower().startswith("without") else match["how"])
        if test is None or any(memory.remembers(each) for each in test.conditions):
            return False
        kept = conditions.negated(test)
        if self._there():
            self._tree.add(actions.sifted(kept, match["noun"] or "items"))
            return True
        return self._tree.guarded(kept)

    def _cut(self, clause: str) -> bool:
        """ "post the top five": a loop stops after so many, an AI picks them where there is none."""
        clause = _COUNT_FIRST.sub(r"the \2 \1", clause)
        part = _PART.search(words.masked(clause))
        if part is None or (
            part["which"].lower() in ("up to", "max", "maximum", "at most", "no more than", "last")
            and not self._there()
        ):
            return False
        noun = part["noun"].strip()
        source = actions.recognise(f"{clause[: part.start()]}the {noun or 'list'} {clause[part.end() :]}".strip(), "")
        takes = words.url(clause) and re.match(r"(?:take|pick|use|grab|get|show|give)\b", clause, re.I)
        if source is None and not takes or source and source.block in ("web-search", "agent"):
            return False
        if source is None or (source.block == "http-request" and source.payload.get("method") == "GET"):
            self._part = part
            rest = f"{clause[: part.start()]}the {noun or 'list'} {clause[part.end() :]}"
            self._clause(re.sub(r"\s+", " ", re.sub(r"^(?:take|pick|use)\b", "get", rest, flags=re.I)).strip())
            return True
        if not self._there():
            return False
        each = re.search(
            r"\b(?:each|every)\s+(?:one\s+)?of\s+$|\bfor\s+(?:each|every)\s+(?:of\s+)?$", clause[: part.start()], re.I
        )
        if each:
            self._part = part
            return False
        self._pick(part)
        self._clause(re.sub(r"\s+", " ", f"{clause[: part.start()]}them {clause[part.end() :]}").strip())
        return True

    def settle(self) -> None:
        """A part of a list nothing loops over is picked by an AI, right behind what brings the list."""
        if self._part is None:
            return
        at = max(
            (at for at, each in enumerate(self._tree.steps) if isinstance(each, Action) and each.block in LISTS),
            default=-1,
        )
        if at >= 0:
            self._tree.steps.insert(at + 1, self._picking(self._part))
        self._part = None

    def _pick(self, part: re.Match[str]) -> None:
        self._tree.add(self._picking(part))

    @staticmethod
    def _picking(part: re.Match[str]) -> Action:
        noun = part["noun"].strip()
        said = f"{part['which'].lower()} {part['count'].lower()}"
        said = said if re.match(r"at most|no more|up to|max", said) else f"the {said}"
        prompt = f"Pick {said}{f' {noun}' if noun else ' items'} from this list and give nothing else, one a line."
        return Action(
            "agent",
            {"prompt": prompt},
            topic=f"{said.removeprefix('the ')} {noun}".strip(),
            clause="pick from the list",
        )

    def _picked(self, clause: str) -> bool:
        """ "email the ones older than 30 days": a filter in front; a condition where a loop is open."""
        if not (self._there() or self._tree.loops) or re.match(
            r"(?:if|unless|when|keep|filter|drop|ignore|skip|for|exclude|remove|select|discard)\b", clause, re.I
        ):
            return False
        shadow = words.masked(clause)
        ones = _ONES.search(shadow)
        if ones is None:
            return False
        if not ones.start() and not re.search(r"\b(?:should|must|gets?|go(?:es)?|to)\b", shadow):
            return False
        link = ones["link"].strip().lower()
        lead = {
            "that": "it ",
            "which": "it ",
            "who": "it ",
            "with": "it has ",
            "without": "it has no ",
            "": "it is ",
        }.get(link, "")
        for end in _ENDS.finditer(shadow, ones.end() + 1):
            said = clause[ones.end() : end.start()]
            test = conditions.find(f"{lead}{said}") or (conditions.find(said) if link == "with" else None)
            if test is None or any(memory.remembers(each) for each in test.conditions):
                continue
            if any(not each.subject for each in test.conditions) and link not in ("that", "which", "who"):
                continue
            noun = ones["noun"] or "items"
            if self._tree.loops:
                self._tree.branched(test)
                self._clause(f"{clause[: ones.start()]}them{clause[end.start() :]}")
                return True
            self._tree.add(actions.sifted(test, noun))
            singly = re.match(r"(?:each|every)\b", ones.group(), re.I)
            self._clause(f"{clause[: ones.start()]}{f'each {noun}' if singly else 'them'}{clause[end.start() :]}")
            return True
        return False
