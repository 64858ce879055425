"""The verbs of everyday requests, their forms, and the words that are as often a noun.

Invariant: verbs stand here once, in their plain form; which block a verb means is said by the recognisers and the
catalog. Callers: ``clauses``, ``phrasing``, ``spelling``, ``understand``.
"""

from __future__ import annotations

VERBS = (
    "increase decrease raise fetch get call request download load pull read check query post send notify tell "
    "message alert ping email mail e-mail dm inform announce publish share forward pass warn remind cc summarize "
    "summarise shorten condense boil classify categorize categorise label triage tag sort detect determine figure "
    "work extract parse wait pause sleep delay hold ask confirm approve search google look find research reply "
    "answer respond write draft translate generate compose rewrite create make build format log record print note "
    "remember save store set count increment append keep filter drop exclude remove select pick pluck take merge "
    "combine join run start trigger launch execute loop repeat iterate go let have use put add update delete give "
    "show turn convert analyse analyze rate score decide match replace monitor watch track submit deliver stop do "
    "nothing import scrape grab retrieve hit invoke escalate route collect proofread explain review describe "
    "upload sync copy push judge mark flag discard ignore throw stick sum digest recap list say greet thank "
    "welcome congratulate invite cancel book schedule process handle validate test sign complain wish squeeze "
    "distil distill compress okay compile gather relay nudge buzz shout jot rephrase polish trim skip text "
    "apologize apologise mention ring sound suggest propose brainstorm outline report prepare compare contrast "
    "rank evaluate assess calculate compute predict estimate paraphrase simplify correct anonymize anonymise "
    "redact interpret grade invent imagine identify spot highlight follow help attach cite enclose group shuffle "
    "arrange deduplicate adapt restructure enrich round split strip mask reset clear discover hunt subtract "
    "multiply assign bump transform structure reformat page "
).split()
#: What a language model does with a text, or out of nothing.
THINKS = (
    "write draft translate generate compose rewrite proofread brainstorm explain analyze analyse research review "
    "describe decide think rate score compare contrast rank evaluate assess calculate compute predict estimate "
    "paraphrase simplify correct anonymize anonymise redact rephrase interpret grade invent imagine identify spot "
    "highlight suggest propose polish outline judge recommend devise reformat "
).split()
#: They begin a clause only with an object behind them.
NOUN_TOO = (
    "help launch email e-mail mail message post log note record ping label tag query request search text question "
    "answer reply review format filter count print alert check hold wait keep load report sort match draft "
    "summary merge process run track watch rate score submit share call work list book schedule test sign mention "
    "copy mark flag cancel digest recap outline store sum join set pass use show stop route push figure make take "
    "start update download upload forward import sound group round split strip mask reset clear rank grade spot "
    "contrast estimate highlight structure bump page "
).split()
_IRREGULAR = {
    "sent": "send", "told": "tell", "written": "write", "kept": "keep", "put": "put", "read": "read", "made": "make",
    "got": "get", "given": "give", "held": "hold", "run": "run", "set": "set", "found": "find", "taken": "take",
    "thrown": "throw", "let": "let", "shown": "show", "built": "build", "hidden": "hide",
}  # fmt: skip


def _participles() -> dict[str, str]:
    made: dict[str, str] = {}
    for verb in VERBS:
        if verb.endswith("e"):
            made[f"{verb}d"] = verb
        elif verb.endswith("y") and verb[-2:-1] not in "aeo":
            made[f"{verb[:-1]}ied"] = verb
        else:
            made[f"{verb}ed"] = verb
            made[f"{verb}{verb[-1]}ed"] = verb
    return {**made, **_IRREGULAR}


def third(verb: str) -> str:
    """ "reply" → "replies", "fetch" → "fetches"."""
    if verb.endswith("y") and verb[-2:-1] not in "aeo":
        return f"{verb[:-1]}ies"
    return f"{verb}es" if verb.endswith(("ch", "sh", "s", "x", "o")) else f"{verb}s"


#: "posted" → "post".
PARTICIPLES = _participles()
