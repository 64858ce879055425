"""Answers that change nothing: greetings, what the model can do, what the workflow on the canvas does.

Invariant: returns None for anything that asks for a change. Callers: ``dialogue``.
"""

from __future__ import annotations

import re

from caddie.models.offline import fragments, inquiry, offerings, phrasing, product, questions, schedule, speak, words
from caddie.models.offline.thread import Talk

_HELLO = re.compile(
    r"^\W*(?:hi|hello|hey|good\s+(?:morning|afternoon|evening|day)|greetings|howdy|yo)\b[\s,!.]*(?:there|caddie|"
    r"everyone|all|again)?[\s!.,]*(?:how\s+(?:are\s+you|is\s+it\s+going|do\s+you\s+do).*|what(?:'s|"
    r"\s+is)\s+up.*)?\W*$|^\W*how\s+are\s+you\b.*$",
    re.I,
)
_THANKS = re.compile(
    r"^\W*(?:(?:thanks?|thank\s+you|thx|cheers|great|perfect|nice|cool|awesome|ok(?:ay)?|good|brilliant|wonderful|"
    r"excellent|well\s+done|bye|goodbye|"
    r"never\s*mind|that(?:'s|\s+is)\s+(?:great|all|it|perfect|fine)|(?:works|looks)\s+(?:great|good|fine)|"
    r"see\s+you)(?:\s+(?:you|so\s+much|a\s+lot|very\s+much|again|job|work|for\s+.{1,40}|caddie|later|then|"
    r"now))*[\s,!.]*)+$|"
    r"^\s*(?:no|nope|nah|not\s+yet)(?:[\s,.!]+(?:thanks?|thank\s+you|thx|that(?:['’]s|\s+is|\s+was)\s+(?:all|it|fine|"
    r"ok(?:ay)?)|never\s*mind|"
    r"all\s+good|nothing(?:\s+else)?|i(?:['’]m|\s+am)\s+(?:good|fine|done)|it(?:['’]s|\s+is)\s+(?:fine|ok(?:ay)?|"
    r"good)|for\s+now|not\s+now))*\W*$",
    re.I,
)
_READY = "Tell me what should happen and when, and I build it; or ask what a step does."
#: Small talk that asks for nothing.
_SMALL = tuple(
    (re.compile(pattern, re.I), told)
    for pattern, told in (
        (r"^\W*(?:you(?:['’]re|\s+are|r)?\s+(?:so\s+|really\s+|completely\s+)*(?:useless|stupid|dumb|bad|terrible|"
            r"awful|wrong|annoying|slow|an?\s+idiot)|"
         r"(?:this|that|it)\s+(?:sucks|is\s+(?:useless|stupid|crap|rubbish|garbage|nonsense|terrible))|(?:fuck|shit|"
         r"damn|wtf|stupid|idiot|crap)\b.*)\W*$",
         f"I am sorry. Say in other words what you want, if possible one step at a time: I work by rules and miss "
         f"some things. {_READY}"),
        (r"^\W*(?:(?:i['’]?m\s+)?(?:sorry|apologies|pardon)|my\s+(?:bad|mistake|fault)|oops|"
            r"whoops)(?:[\s,]+(?:my\s+(?:bad|mistake|fault)|about\s+that|for\s+that|"
         r"wrong\s+(?:chat|window)))*\W*$", f"No problem. {_READY}"),
        (r"^\W*(?:i\s+(?:really\s+)?(?:love|like|adore)\s+(?:you|it|this)|you(?:['’]re|\s+are)\s+(?:so\s+|really\s+|"
            r"very\s+|the\s+)*(?:great|good|best|awesome|amazing|"
         r"helpful|nice|clever|smart|funny|cute|cool))\b.*$", f"Thank you. {_READY}"),
        (r"^\W*(?:(?:y(?:es|ep|eah)|exactly|right|correct|true|indeed|sure|of\s+course|that(?:['’]s|\s+is)\s+(?:it|"
            r"right|correct)|yes\s+please|i\s+(?:see|understand|know)|got\s+it|"
         r"understood|makes\s+sense|i(?:['’]ll|\s+will)\s+(?:tell\s+you|think\s+about\s+it|do\s+(?:it|that)|see|"
         r"be\s+back|let\s+you\s+know)(?:\s+later)?|later|ok(?:ay)?\s+(?:then|later)|let\s+me\s+think)\b[\s,.!]*)+$",
         "All right. Tell me when something should change."),
        (r"^\W*(?:lol|haha\w*|hehe\w*|rofl|lmao|hm+|hmm+|uh|um+|mhm|aha|oh|wow|meh|whatever|test(?:ing)?(?:\s+(?:test|"
            r"1|123|one\s+two))*|foo|bar|asdf\w*|[?!.…]+|ping|:\)|;\)|xd)\W*$",
         f"I am here. {_READY}"),
        (r"^\W*(?:(?:can|could|would|will)\s+(?:you|someone|anybody|"
            r"anyone)\s+(?:please\s+)?help(?:\s+me)?(?:\s+(?:out|please|with\s+something))?|"
            r"i\s+need\s+(?:some\s+)?help|are\s+you\s+there|"
         r"anybody\s+(?:there|home))\W*$", f"Yes, gladly. {_READY}"),
        (r"^\W*(?:(?:can|could)\s+you\s+|please\s+)*(?:tell|give)\s+(?:me|us)\s+(?:a|another|some|"
            r"one)\s+(?:\w+\s+)?(?:jokes?|stor(?:y|ies)|riddles?|poems?|fun\s+facts?)\W*$|"
         r"^\W*(?:sing|dance|entertain)\b.{0,30}$",
         "That I cannot do here: I only build workflows. One of them could: “every morning at 8 let the AI write a "
         "joke and email it to me@example.com”."),
    )
)  # fmt: skip
_ABILITY = re.compile(
    r"\bwhat\s+(?:kinds?|sorts?)\s+of\s+(?:things|stuff|workflows|tasks)\b|\bwhat\s+do\s+(?:people|others|users|"
    r"most)\b.*\b(?:automate|build|use)\b|"
    r"^\W*(?:can|could)\s+you\s+(?:build|make|automate|do)\s+(?:me\s+)?(?:anything|everything|things)\b|"
    r"\b(?:what\s+(?:can|could)\s+(?:you|i)\s+(?:do|build|ask)|what\s+do\s+you\s+do|how\s+(?:can|could)\s+you\s+help|"
    r"^\W*i(?:['’]?m|\s+am)\s+new\b|know\s+(?:how|where)\s+to\s+(?:start|begin)\b|\ban\s+example\W*$|"
    r"help\s+me\s*[?.!]*$|"
    r"what\s+are\s+you|who\s+are\s+you|what\s+is\s+caddie|"
    r"how\s+do(?:es)?\s+(?:you|"
    r"caddie)\s+work)\b|^\s*help[\s!?.]*$",
    re.I,
)
_BLOCKS = re.compile(
    r"\b(?:which|what)\s+(?:blocks?|tools?|integrations?|nodes?|kinds?\s+of\s+(?:steps?|blocks?))\b|"
    r"\blist\s+(?:all\s+)?(?:the\s+)?blocks\b",
    re.I,
)
_MODEL = re.compile(
    r"\b(?:are\s+you\s+(?:an?\s+)?(?:real\s+)?(?:ai|human|person|robot|bot|llm|(?:chat)?gpt(?:-?\d)?|claude|machine|"
    r"siri|alexa|gemini|copilot|model)|are\s+you\s+real|"
    r"which\s+model|what\s+model|are\s+you\s+(?:offline|online))\b",
    re.I,
)
_HOSTILE = re.compile(
    r"\b(?:ignore|forget|disregard|override|bypass)\b.{0,30}\b(?:instructions?|rules?|told|prompts?|everything|"
    r"guidelines?)\b|"
    r"\b(?:system|hidden|secret|initial)\s+(?:prompt|instructions?)\b|\b(?:reveal|show|print|tell|give|leak|"
    r"what\s+is|what's)\b.{0,30}\b(?:api\s*keys?|passwords?|secrets?|tokens?|credentials?)\b|\bjailbreak\b|"
    r"\bact\s+as\s+(?:if|an?\s+unrestricted)\b",
    re.I,
)
_CAN = re.compile(
    r"^\W*(?:(?:can|could)\s+(?:you|caddie|it|this|i|we|workflows?)|are\s+you\s+able\s+to|is\s+(?:it\s+possible|"
    r"there\s+(?:a|any)\s+(?:way|block|possibility|step))\s+(?:to|for|that)|do\s+you\s+(?:support|know\s+how|have|"
    r"work\s+with|"
    r"integrate|connect|talk\s+to|offer|speak\s+to|play\s+(?:nice|well)\s+with|do|read|send|handle|understand)|"
    r"(?:does|will|would)\s+(?:caddie|it|this)\s+(?:support|work\s+with|integrate|connect|talk\s+to|play\s+(?:nice|"
    r"well)\s+with)|"
    r"(?:is|are)\s+there\s+(?:an?\s+|any\s+)?(?:[\w-]+\s+){0,3}(?:integrations?|connectors?|blocks?|support|plugins?)|"
    r"how\s+(?:do|can|would|could|should)\s+(?:i|we|you|one)|"
    r"what\s+(?:do|would)\s+(?:i|we)\s+(?:use|need))\b",
    re.I,
)
#: "which ways are there to …", "what can I use to …"
_WAYS = re.compile(
    r"^\W*(?:which|what)\s+(?:(?:other\s+|kinds?\s+of\s+|different\s+)*(?:ways?|options?|possibilities|methods|means|"
    r"services|apps|channels|triggers?|actions?)\b.*\b(?:to|for|of|support|have|there|can|offer)\b|(?:is|"
    r"are)\s+(?:needed|required|necessary)\s+(?:to|for)|can\s+(?:i|we|you|"
    r"one)\s+(?:use|take|connect)\b|(?:can|could|may)\s+(?:start|trigger|begin|launch)\b|(?:starts|triggers)\s+an?\b)",
    re.I,
)
_INSTEAD = re.compile(
    r"\b(?:instead|rather\s+than|at\s+most|before|\d+\s+(?:words|sentences|bullets?|points|lines|results))\b(?!.*\?)",
    re.I,
)
#: Asks whether and how, and wants nothing built.
_HOW = re.compile(
    r"^\W*(?:is\s+it\s+possible|is\s+there\s+(?:a|any|some)\s+(?:way|block|step|possibility|chance)|how\s+(?:do|"
    r"can|would|could|should)\s+(?:i|we|"
    r"you|one)|can\s+(?:i|we|one|workflows?|it)|do\s+you\s+(?:support|offer|have|know)|what(?:'s|"
    r"\s+is)\s+the\s+difference|what\s+(?:do|would)\s+"
    r"(?:i|we)\s+(?:use|need)|which\s+(?:block|step)|does\s+(?:caddie|it)\s+support)\b",
    re.I,
)
_REPORT = re.compile(
    r"\b(?:incomplete|missing|(?:need|want|require)\w*\s+from\s+me|left\s+(?:for\s+me|to\s+do|open)|"
    r"what\s+(?:else\s+)?(?:do|should|must)\s+i\s+(?:still\s+)?(?:do|fill|provide|give|enter|set)|still\s+(?:need|"
    r"open|missing)|"
    r"why\s+can(?:['’]?t|not)\s+(?:i|it|we)\b|what\s+(?:keeps|stops|prevents)\b|"
    r"(?:which|what)\s+(?:accounts?|connections?|connectors?|credentials?)|ready\s+to\s+run|(?:is|are)\s+(?:it|this|"
    r"that|we|everything|the\s+workflow)\s+(?:all\s+)?(?:set|done|finished|good\s+to\s+go|ready|complete)\b|"
    r"is\s+it\s+(?:valid|"
    r"complete|ready|ok)|why\s+(?:is|does|can)\b.*\b(?:not|invalid|red|fail|error|wrong)|what\s+is\s+wrong)\b",
    re.I,
)
_EXPLAIN = re.compile(
    r"^\s*(?:please\s+)?(?:(?:can|could|would)\s+you\s+)?(?:please\s+)?(?:explain|describe|summari[sz]e|show\s+me|"
    r"walk\s+me\s+through|tell\s+me\s+(?:in\s+(?:\w+\s+){1,2})?(?:about|what|how|when|why|which|who|where)|"
    r"give\s+me\s+an?\s+(?:\w+\s+)?(?:overview|"
    r"summary)\s+of)\b(?=.*\b(?:this|the|my|it|workflow|flow|does|do|canvas|automation|graph|steps?|happens|loop|"
    r"works?)\b)(?!.*https?:)|"
    r"^\s*(?:tl;?dr|(?:the\s+)?short\s+version|(?:a\s+|the\s+)?(?:quick\s+|short\s+)?(?:summary|overview|"
    r"gist))\b(?:\s*,?\s*(?:of|for)\s+"
    r"(?:this|the|my|it)\b.*|\s+please)?\W*$|"
    r"^\s*(?:so\s+|and\s+|but\s+)?what\s+(?:does|do|is|are|will|would|happens)\b|^\s*(?:in\s+|to\s+|at\s+|"
    r"on\s+)?(?:how|which|does|is|are|do|did|where|why|who|whom|whose|when|what)\b.*\?\s*$|^\s*(?:how\s+often|"
    r"how\s+many|where|why|who|what\s+time)\b|\bwhat\s+happens\b",
    re.I,
)
#: The most frequent words of some languages that English has not.
_FOREIGN = re.compile(
    r"\b(?:der|die|das|und|ich|mir|nicht|ein|eine|einen|jeden|wenn|bitte|schick\w*|mit|für|zum|zur|auf|"
    r"le|les|des|une|et|est|pour|avec|chaque|quand|mon|ma|mes|peux|vous|tu|je|dans|sur|matin|"
    r"el|los|las|una|por|para|cada|cuando|con|mi|quiero|puedes|mañana|correo|"
    r"il|gli|della|ogni|quando|per|puoi|voglio|een|het|niet|elke|voor|met|naar|ik|wanneer|os|uma|não|todos?|dia|"
    r"você)\b|[а-яα-ωא-ת؀-ۿ一-鿿぀-ヿ가-힯]",
    re.I,
)
_ENGLISH = re.compile(
    r"\b(?:the|and|to|of|it|is|when|every|each|send|post|with|from|if|my|me|for|then|this|that|at|in|on|a|an|you|"
    r"what|i)\b",
    re.I,
)


_ENGLISH_ONLY = "Sorry, I understand English only. Please tell me in English what should happen, and when."
_REFUSAL = (
    "I keep to what I am made for: building, changing and explaining workflows. I change nothing, and I give no keys "
    "or instructions away."
)


#: How often at all, not how often this one.
_OFTEN = re.compile(
    r"\b(?:shortest|smallest|minimum|maximum|highest|fastest)\s+(?:possible\s+|allowed\s+)?(?:interval|frequency|"
    r"time\s+between|schedule|rate)\b|"
    r"\b(?:every|once\s+(?:a|per))\s+(?:\d+\s+|few\s+|half\s+a\s+|half\s+)?(?:milli)?seconds?\b|\breal[\s-]?time\b|"
    r"\bhow\s+(?:often|frequently|fast)\s+(?:can|could|may)\s+(?:i|we|it|a\s+workflow|workflows|one|something)\b",
    re.I,
)
_OFTEN_TOLD = (
    "A schedule fires once a minute at most: “every minute” is the shortest interval. The longest is not bounded; "
    "“every year on 3 March” works too."
)


_EMPTY = "There is no workflow on the canvas yet. Tell me what should happen and when, and I build it."
#: Speaks of a workflow, though there is none.
_CANVAS = re.compile(
    r"\b(?:this|it|workflow|flow|automation|canvas|steps?|runs?|trigger\w*|schedul\w+|my\s+(?:mail|message|"
    r"data))\b",
    re.I,
)


def answer(said: Talk) -> str | None:
    """The answer to a message that wants no change, else None."""
    text = said.request
    if said.answers:
        return None
    if foreign(text):
        return f"{_ENGLISH_ONLY}\n\n{speak.OFFLINE}"
    if _HOSTILE.search(text) and not _builds(text):
        return f"{_REFUSAL}\n\n{speak.OFFLINE}"
    if _HELLO.match(text):
        return f"Hello! Tell me what should happen and when, and I build the workflow. {speak.OFFLINE}"
    if _THANKS.match(text):
        return "You are welcome. Tell me when something should change."
    if (small := next((told for pattern, told in _SMALL if pattern.match(text)), None)) is not None:
        return small
    if _MODEL.search(words.masked(text)):
        return speak.OFFLINE
    if _ABILITY.search(words.masked(text)):
        return _abilities()
    question = inquiry.asks(text, bool(said.nodes))
    if question and (told := product.told(inquiry.bare(text), bool(said.nodes))):
        return f"{told}\n\n{speak.OFFLINE}"
    if _BLOCKS.search(text):
        return f"{offerings.listing(text)}\n\n{speak.OFFLINE}"
    if _WAYS.search(text) and not _builds(text) and not re.search(r"\b(?:this|it|here)\b", text, re.I):
        return f"{offerings.listing(text)}\n\n{speak.OFFLINE}"
    if _OFTEN.search(text) and inquiry.asks(text, bool(said.nodes)):
        return f"{_OFTEN_TOLD}\n\n{speak.OFFLINE}"
    if not said.nodes and (told := ability(said)):
        return told
    if said.context.mode == "repair":
        return None
    if (question or not _builds(text)) and (named := offerings.described(text, bool(said.nodes))):
        return f"{named}\n\n{speak.OFFLINE}"
    if question:
        return _explain(said) if said.nodes else _beyond(text)
    asks = _EXPLAIN.search(text) or _EXPLAIN.search(phrasing.without_politeness(text))
    changes = said.nodes and _INSTEAD.search(text)
    return _explain(said) if asks and not changes and not _builds(text) and not inquiry.suggests(text) else None


def ability(said: Talk) -> str | None:
    """Whether a block does what a question about abilities names; None when it is another question."""
    text, bare = said.request, phrasing.without_politeness(said.request)
    if not _CAN.match(text) or _builds(text) or said.answers or (bare != text and _EXPLAIN.search(bare)):
        return None
    return f"{offerings.capability(text)}\n\n{speak.OFFLINE}"


def reports(said: Talk) -> bool:
    """Whether a question wants to know what validation says."""
    text = said.request
    return bool(
        said.nodes and not said.answers and _REPORT.search(text) and "validate_workflow" in said.tools
    ) and not _builds(text)


def foreign(text: str) -> bool:
    other, english = len(_FOREIGN.findall(text)), len(_ENGLISH.findall(text))
    return other >= 2 and other > english


def _builds(text: str) -> bool:
    """Whether a question carries what only a request carries: an address, a channel, a schedule."""
    shadow = words.masked(text)
    found = schedule.find(shadow)
    addressed = words.url(text) or words.emails(text) or words.CHANNEL.search(words.URL.sub("", text))
    if _HOW.match(text) and text.rstrip().endswith("?") and not addressed:
        return False
    asks = re.match(r"^\W*(?:what|why|how|who|when(?=\s+(?:does|do|will|is))|where|which|in\s+which)\b", text, re.I)
    return not asks and bool(
        addressed
        or (found and found.freq)
        or re.search(r"\bwhen(?:ever)?\s+(?:a|an|the|someone|somebody|i)\b.*,", text, re.I)
    )


def _abilities() -> str:
    return (
        "I build and change workflows from plain sentences. For example:\n"
        "- “Every weekday at 9 search the web for AI news, summarize the results and post them to #news on Slack”\n"
        "- “When a chat message arrives, classify it as billing or bug, and if it is billing email me@example.com”\n"
        "- “Change the time to 10”, “also email me”, “remove the Slack step”, “what does this workflow do?”\n\n"
        "Workflows start on a schedule, on a webhook, on a chat message or by hand. They can call HTTP APIs, "
        "search the web, branch, loop, wait, ask a person, summarize, classify, extract data, let an AI agent write, "
        "and post to Slack, Discord, email or the chat. I ask when something is missing.\n\n"
        f"{speak.OFFLINE}"
    )


def _explain(said: Talk) -> str:
    if not said.nodes:
        return f"{_EMPTY}\n\n{speak.OFFLINE}"
    told = questions.about(said)
    return told if told is not None else f"The workflow does this:\n{speak.explain(said.start)}"


def _beyond(text: str) -> str:
    """The answer to a question about neither the product nor a workflow."""
    if _CANVAS.search(text):
        return f"{_EMPTY}\n\n{speak.OFFLINE}"
    asked = inquiry.bare(text).rstrip(" ?!.")
    if re.search(r"\b(?:i|me|my|we|our|you|your)\b", asked, re.I):
        return f"That I cannot answer: I only know workflows. {_READY}\n\n{speak.OFFLINE}"
    return (
        f"That I cannot answer: I build workflows and look nothing up myself. A workflow can, for example: “Every "
        f"morning at 8 "
        f"search the web for “{asked[:80]}”, summarize the results and email them to "
        f"me@example.com”.\n\n{speak.OFFLINE}"
    )


def lost(said: Talk, unknown: list[str] | None = None) -> str:
    """For a message this model makes nothing of."""
    which = words.joined([f"“{each}”" for each in unknown[:3]]) if unknown else "that"
    if said.nodes:
        told = f"{fragments.LOST} for {which}, so I changed nothing. Please say which step "
        told += "you mean and how it should be"
    else:
        vague = _VAGUE.search(said.request) and not unknown
        opening = (
            "I can build something for that, but I have to know more" if vague else f"I did not understand {which}"
        )
        told = (
            f"{opening}. Please tell me two things: what starts it (a time, a form or "
            f"another system "
            "that calls a webhook, a chat message, a click), and what should happen then (fetch, check, write, whom "
            "to tell where)"
        )
    return f"{told}; for example “{_example(said)}”.\n\n{speak.OFFLINE}"


#: A wish for help that does not say with what exactly.
_VAGUE = re.compile(
    r"\b(?:automat\w+|help|improve|manage|organi[sz]e|simplify|streamline|optimi[sz]e|track|time|something|workflow|"
    r"assist\w*|"
    r"handle|deal\s+with|too\s+(?:much|many)|struggl\w+|overwhelm\w*|forget\w*|busy|easier|better|manually|by\s+hand|"
    r"tired\s+of|hate|drown\w*|swamp\w*|mess|chaos|hours|keep\s+up|stress\w*)\b",
    re.I,
)


def _example(said: Talk) -> str:
    return (
        "change the time to 9"
        if said.nodes
        else "every morning at 8 fetch https://example.com/rates and post it to Slack #fx"
    )
