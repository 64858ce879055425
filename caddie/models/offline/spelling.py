"""Slips of the keyboard: a word nobody knows, one letter away from a word requests are made of.

Invariant: the first letter stays, and a word of this module's own list, a name, an address or a quote is never touched.
Callers: ``phrasing``.
"""

from __future__ import annotations

import re
from functools import cache

from caddie.models.offline.verbs import VERBS
from shared.plugins import library

_NOUNS = (
    "slack discord email mail webhook channel message messages summary approval workflow step steps schedule weekday "
    "weekdays monday tuesday wednesday thursday friday saturday sunday mondays fridays morning evening afternoon night "
    "midnight noon every each hour hours minute minutes second seconds daily weekly monthly hourly week month when "
    "whenever then otherwise unless above below between least condition branch trigger report reply question customer "
    "order orders price total amount subject please after before result results news temperature sentiment category "
    "search approve confirmation website address please which where there their these those"
)
#: Real words one letter away from those above.
_REAL = frozenset(
    "form pots past pose port sand seed wheat stop stock steep steed shave shared want wart wash past cost costs host "
    "hosts hose stat state stats start starts date data late rate rates mate site notes noted tests text texts test "
    "mile mill male miles massage massages sport spot moth months mouth weeks weak weeds chick cheek check checks "
    "channels dairy diary daisy right light house tours fours ours hours mint mints tread thread bread replay replays "
    "claim called call calls ward word words works work worth price prize prices pride place plays pays pass parse "
    "fetched filled fill files file filed filter finds fine find final friend learn least beast feast these there "
    "three their where were here host loop look looks books booked mark make makes male take takes lake like liked "
    "list lists last lost post posts posted".split()
)
#: Frequent words that no rule asks for and that are close to one that is.
_PLAIN = frozenset(
    "able about across actually add again against ahead all alone along already also although always among another "
    "answer any anyone anything area around away back bank base basic become been before began begin behind being "
    "believe "
    "best better between beyond bill black blue board body book both bottom bring brought building business case cases "
    "cause center central change character child children city class clean clear close cold color come common company "
    "complete contact control copy could country county couple course cover create current data deal dear decide deep "
    "deliver demand detail develop different door down draw drive drop during early earth east easy edge else email "
    "empty ends energy enough entire equal even event ever every example except expect face fact fair fall family far "
    "farm fast feel feet felt female field fight figure final first five floor follow food foot force foreign former "
    "four free fresh from front full fund game garden gave general girl give given glass goal gone good great green "
    "ground group grow growth guess guest guests hair half hall hand hands hang happen happy hard hate have head "
    "health "
    "hear heard heart heat heavy held hell help here herself high himself hold home hope horse hotel huge human hurt "
    "idea "
    "image include indeed inside into issue item items itself join just keep kept kind knew know known lack lady land "
    "language large laws lead learn leave left legal less letter level life lift line link lived local long looks lose "
    "love lower luck lunch machine main major many marked market matter maybe mean means meant media meet mention "
    "might "
    "mind miss mode model modern moment money more most mother move much music must name nation near nearly need needs "
    "never next nice nobody none nothing notice number odds offer office often once only onto open option other others "
    "ought over owner page paid pain pair paper parent parents park part party past path payment people perhaps person "
    "phone photo phrase pick picture piece plan plant play player point police poor power press pretty prove public "
    "pull "
    "pure push quick quickly quite race raise ran range rather reach ready real really reason record region remain "
    "rest "
    "return right rise risk river road role roof room rule rules runs rush safe said sale sales same save says scene "
    "school science seat section seek seem sell sense serious serve service seven shall shape shift ship shoes shop "
    "shops "
    "short shot should shoulder side sign simple simply since sing single sister site size skill skin sleep slow small "
    "smile snow social soft soil sold some song soon sorry sort sound south space speak special speed spend staff "
    "stage "
    "stair stand star station stay still stone stood store story street string strong student study stuff style such "
    "suit summer sure table talk tall taste team teams tell tend term than thank thanks that their them then there "
    "these "
    "they thing things think third this those though thought thousand through throw thus tight till title today "
    "together "
    "told tomorrow tone tonight took tool total touch toward town track trade train travel tree trial trip true trust "
    "truth turn type under unit units until upon used user users usual value very view visit voice vote wait walk wall "
    "wants warm watch water wear week well went were west what wheel when where which while white whole whom whose "
    "wide "
    "wife wild will wind wine winter wish with within without woman wonder wood would write wrong yard yeah year years "
    "young your yours zero tenant tenants lesson lessons member members booking bookings patient patients visitor "
    "visitors student students teacher teachers parcel parcels invoice invoices ticket tickets lead leads deadline "
    "rent "
    "stall stalls animal animals episode episodes chef coach pupil pupils lawyer garage museum bakery bread class "
    "classes "
    "saying says says asks askes sensor sensors stockist pump pumps barn fields cows eggs milk soil tests tasted cart "
    "carts fire fires wire hire hired tire wired fare fares care cares cared core cores bore more most mostly boils "
    "boiled".split()
)
#: Slips of more than one letter that are frequent.
_FREQUENT = {
    "wensday": "wednesday", "wendsday": "wednesday", "wednsday": "wednesday", "wenesday": "wednesday",
    "tusday": "tuesday", "teusday": "tuesday", "thrusday": "thursday", "thurday": "thursday", "saterday": "saturday",
    "tommorow": "tomorrow", "tommorrow": "tomorrow", "tomorow": "tomorrow", "adress": "address", "recieve": "receive",
    "shedule": "schedule", "chanel": "channel", "mesage": "message", "massege": "message", "evrey": "every",
    "summerize": "summarize", "summerise": "summarise", "wich": "which", "whith": "with", "costumer": "customer",
    "costumers": "customers", "becuase": "because", "seperate": "separate", "mornig": "morning", "evning": "evening",
}  # fmt: skip
#: A word of four letters is seldom a slip of anything else.
_SHORT = frozenset("every email slack check daily fetch reply write when then there after".split())
_WORD = re.compile(r"(?<![\w#@/.:{$-])[a-z]{4,14}(?![\w@/:}-]|\.\w)")


@cache
def _vocabulary() -> tuple[frozenset[str], frozenset[str], dict[str, str]]:
    """(words to leave alone, words of requests, what each becomes without one of its letters → the word)."""
    plain = {word for word in (*VERBS, *_NOUNS.split()) if len(word) >= 4 and word.isalpha()}
    known = {form for word in plain for form in (word, f"{word}s", f"{word}ed", f"{word}d", f"{word}ing", f"{word}er")}
    known |= {f"{word[:-1]}ing" for word in plain if word.endswith("e")}
    shorter: dict[str, str] = {}
    for word in sorted(plain):
        for at in range(1, len(word)):
            shorter.setdefault(word[:at] + word[at + 1 :], word)
    # The templates are told in the words of users.
    told = " ".join(
        f"{each.title} {each.summary} {' '.join(each.tags)} {' '.join(each.examples)}"
        for each in library().templates.all()
    )
    known |= {word for word in re.findall(r"[a-z]{4,}", told.lower())}
    targets = plain | {f"{word}s" for word in plain}
    return frozenset(known | _REAL | _PLAIN), frozenset(targets - _REAL), shorter


def corrected(text: str) -> str:
    return _WORD.sub(lambda match: _better(match.group()), text)


def _better(word: str) -> str:
    known, targets, shorter = _vocabulary()
    if word in _FREQUENT:
        return _FREQUENT[word]
    if word in known:
        return word
    for at in range(1, len(word) - 1):
        swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        if swapped in targets:
            return swapped
    if word in shorter and (len(word) > 4 or shorter[word] in _SHORT):
        return shorter[word]
    if len(word) >= 6:
        for at in range(1, len(word)):
            without = word[:at] + word[at + 1 :]
            if word[at] == word[at - 1] and without in targets and len(without) >= 5:
                return without
    return word
