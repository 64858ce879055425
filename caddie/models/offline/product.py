"""Questions about the product itself: what it costs, where data lies, how accounts, variables and runs work.

Invariant: says what the product does and nothing of what it might do one day. Callers: ``talk``.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class _Topic(NamedTuple):
    """asked: what a question about it says; told: the answer."""

    asked: re.Pattern[str]
    told: str
    #: Told only while there is no workflow that could be meant.
    empty: bool = False


def _topic(asked: str, told: str, empty: bool = False) -> _Topic:
    return _Topic(re.compile(asked, re.I), told, empty)


_BEGINNING = (
    "Say in one or two sentences when it should start and what should happen, as you would tell a colleague: "
    "“Every weekday at 9 fetch "
    "https://example.com/orders, keep the unpaid ones and mail a summary to me@example.com.” I build the workflow "
    "at once, list what is still open "
    "(an address, an account), and you change it by saying so: “make it 10”, “also post it to #sales”. Then “run "
    "it” tries it. Or ask “which templates do you have for …?”."
)
_TRYING = (
    "Say “run it”: I name what the run will do outside and start it when you agree. The button Run above the graph "
    "does the same, nodes light up, and a click on a node shows what it was given and what it gave. There is "
    "no dry run: a step that posts or mails really does. "
    "To try things out, put your own address or a test channel in first, or take the step out for the time being."
)
_TOPICS = (
    _topic(
        r"^(?=.*\bplans?\b).*\b(?:yes|approve\w*|agree\w*)\b|\bwhat(?:['’]s|\s+is)\s+(?:a|the)\s+plan\b",
        "A plan is told and not built: “plan a workflow that …”. Say what should be different and it changes; say yes "
        "and it "
        "is built as told, on the canvas, and nothing runs yet.",
    ),
    _topic(
        r"\b(?:forever|endless\w*|infinite\w*|never\s+(?:ends?|stops?)|run\s+away|get\s+stuck)\b",
        "No. A loop ends with its list, after 100 rounds at most; a run has ten minutes of work and 10,000 steps; "
        "workflows that start one another stop ten deep.",
    ),
    _topic(
        r"\b(?:keep|leave|have)\b.*\b(?:browser|tab|page|computer|laptop|pc)\b.*\b(?:open|on|running)\b|\b(?:phone|"
        r"mobile|tablet|iphone|android|ios|desktop\s+app|app\s+store)\b(?!.*\b(?:number|call)\b)",
        "There is no app: the page opens in any browser, and the workflows run on the server, whatever you have "
        "switched off.",
    ),
    _topic(
        r"\b(?:need|want|ask\s+for|require)s?\b.*\b(?:passwords?|log\s?ins?|api\s*keys?|tokens?|credentials)\b",
        "Not in the chat, please. A step that reaches an outside account uses a connector: for Slack and Discord the "
        "address of an incoming webhook, for mail the "
        "server with user and password. It is made once with `POST /v1/connectors`, stored sealed and never shown "
        "again.",
    ),
    _topic(
        r"^(?=.*\b(?:you|caddie)\b).*\b(?:sav|stor|log|record|keep|remember)\w*\b.*\b(?:what\s+i|i\s+(?:type|write|"
        r"say)|(?:our|this|my|"
        r"the)\s+(?:chats?|conversations?|messages|input))\b",
        "The conversation is kept with the workflow, in the database of the server this runs on, so that you can come "
        "back to it. The offline model learns nothing from it "
        "and sends it nowhere.",
    ),
    _topic(
        r"\b(?:know\s+(?:how\s+to\s+)?(?:code|program)|(?:need|have)\s+to\s+(?:code|program)|cod(?:e|ing)\s+skills|"
        r"programm(?:er|ing)|technical\s+(?:skills|knowledge)|"
        r"developer)\b",
        "No. You say in plain English what should happen and I build it. What may need somebody technical: the "
        "address of an API to read data from, and making "
        "the accounts (mail server, Slack) for the first time.",
    ),
    _topic(
        r"\b(?:server|machine|computer|power|laptop|worker|internet|system)\b.*\b(?:restart\w*|crash\w*|"
        r"goes\s+(?:down|off)|fails?|dies|reboot\w*|is\s+(?:down|off)|stops?|shut\w*)\b|"
        r"\brestart\w*\b",
        "A run that is cut off goes on behind its last finished step, also on another worker; pauses and questions to "
        "people survive restarts. A "
        "step that was sending something just then is not repeated but marked as in doubt. Of scheduled times that "
        "passed while nothing ran, the latest is made up for.",
    ),
    _topic(
        r"\b(?:which|what|list|any|all)\b[^?]{0,30}\b(?:services|apps|applications|integrations|platforms|software|"
        r"products|third\s+part\w+|connections|systems)\b",
        "Of its own it reaches Slack, Discord, email (any mail server) and web search. Everything else through the "
        "web: `http-request` calls any HTTP API "
        "(Google Sheets, Notion, GitHub, shops, your own systems), `send-webhook` posts to Zapier, Make and the like, "
        "and a `webhook` trigger takes calls from whatever "
        "sends them (forms, shops, GitHub, payment providers).",
    ),
    _topic(
        r"\bworkflows?\b.*\b(?:talk\s+to|call|start|trigger|run|use|connect\w*\s+to|chain\w*|"
        r"pass)\b.*\b(?:each\s+other|another|other|one\s+another|workflows)\b",
        "Yes: `trigger-workflow` starts another workflow, hands it data and waits for its result if you want. Say "
        "“then run the workflow invoices”.",
    ),
    _topic(
        r"\b(?:delet\w+|remov\w+|get\s+rid\s+of)\b.*\b(?:an?|my|old|whole|the\s+whole|existing|this)\s+workflows?\b",
        "“Delete everything” empties the canvas. The workflow itself goes with `DELETE /api/v1/workflows/{slug}/`, "
        "and its past runs with it.",
    ),
    _topic(
        r"\b(?:trial|practice|rehears\w+)\b",
        _TRYING,
    ),
    _topic(
        r"\bwho\s+(?:made|built|created|wrote|owns|runs|is\s+behind)\b.*\b(?:you|caddie)\b",
        "I am Caddie: software that builds workflows from what you say. I am its offline model, a set of rules; "
        "nobody sits behind it.",
    ),
    _topic(
        r"\b(?:read|check|watch|monitor|scan|receive|see|access|open|sort|incoming|arriv\w+|start\w*|trigger\w*|"
        r"react\w*)\b.*\b(?:inbox|mailbox|"
        r"gmail|outlook|"
        r"(?:my|our|incoming|new|the)\s+e?-?mails?|(?:get|receive)\s+an?\s+(?:e-?)?mail|mails?\s+(?:that\s+)?(?:come|"
        r"arrive))\b(?!.*\b(?:step|"
        r"workflow\s+do)\b)",
        "No block reads a mailbox: mail can be sent, not fetched. What forwards mail to a webhook (most mail services "
        "and Zapier can) "
        "may start a workflow, which then reads the mail's text.",
    ),
    _topic(
        r"\b(?:costs?|price|pricing|fees?|charged?|billed|billing\s+for|free(?=\s+(?:version|plan|tier|trial|of)\b|"
        r"\W*$|\s+to\s+use)|subscription|"
        r"pay(?:ing)?|"
        r"expensive|cheap)\b(?=.*\b(?:you|caddie|this|it|me|i|we|month|use|using|run|runs|tool|app|product|plan|tier|"
        r"version)\b|"
        r"\W*$)"
        r"(?!.*\b(?:invoice|order|customer|drops?|below|above|over|under)\b)",
        "I am the offline model and cost nothing: I work by rules on this machine. With a language model behind it "
        "(Claude "
        "or an OpenAI-compatible one) its provider charges for the tokens, and outside services (mail, Slack, search) "
        "have prices of their own. Caddie itself sends no bill.",
    ),
    _topic(
        r"\b(?:privacy|private|gdpr|confidential|who\s+(?:can|could|else|has)\b.*\b(?:see|read|access)\b|(?:my|our|"
        r"the)\s+data\b.*"
        r"\b(?:go|goes|stored?|kept|safe|secure|leave|sent|train\w*|used|live)|(?:is|are)\s+(?:my|our)\s+(?:data|"
        r"passwords?|keys?|secrets?|"
        r"credentials)\b|(?:store|keep|save|share|sell|see|read|train\s+on)\s+(?:my|our|any)\s+(?:\w+\s+)?(?:data|"
        r"passwords?|messages|"
        r"information|e-?mails)|is\s+(?:it|this|caddie)\s+(?:safe|secure)\s*\?*$|data\s+protection)",
        "Everything lies in the database of the server this runs on. Workflows and their runs belong to your "
        "organisation; "
        "an account you connect (a connector) is yours alone, stored sealed, and shown to nobody again: results and "
        "logs have *** in its place. The offline model sends nothing anywhere; a language model gets the conversation "
        "and what "
        "its steps read. A workflow itself sends out what its steps say: a mail to its addressee, a post to its "
        "channel.",
    ),
    _topic(
        r"\b(?:how|where|what)\b.*\b(?:connect|link|hook\s+up|authori[sz]e|add|set\s+up|enter|configure|log\s*in\s+to|"
        r"give\s+you)\b.*\b(?:account|slack|"
        r"discord|gmail|e-?mail|mail|smtp|outlook|credentials?|password|api\s*keys?|tokens?|connectors?|inbox)\b|"
        r"\bwhat\s+(?:is|are)\s+(?:an?\s+)?connectors?\b|\b(?:need|have)\s+(?:an?|my)\s+(?:slack|discord|smtp|"
        r"mail)\s+account\b|"
        r"\b(?:account|connector)s?\b.*\bhow\b|\bwhere\s+(?:do|does|can|should)\b.*\b(?:api\s*keys?|passwords?|"
        r"credentials|tokens?)\b",
        "Steps that reach an outside account use a connector: you make it once and every workflow of yours can use "
        "it.\n"
        "- Slack, Discord: the address of an incoming webhook of the channel\n"
        "- email: your mail server (host, port, user, password, sender); for Gmail and Outlook an app password\n"
        "- web search: SearXNG, Brave or Tavily; HTTP requests: a header, a bearer token, or user and password\n"
        "Make one with `POST /v1/connectors` and try it with `POST /v1/connectors/{id}/test`. A step that names none "
        "uses your "
        "only connector of that kind; until there is one the step is reported as open.",
    ),
    _topic(
        r"\bvariables?\b(?!.*\b(?:step|this\s+workflow)\b)",
        "A variable is a named value of a workflow. `set-variable` stores, counts up or appends to it, and "
        "`{{$vars.name}}` reads it in any field. A `reset` variable begins anew with every run, a `persist` one is "
        "kept from "
        "run to run, so “tell me only when the price has changed” works. Example: “count the orders in a variable”. "
        "What one step gives to the next needs no "
        "variable: `{{step_name.result…}}` reads it.",
    ),
    _topic(
        r"(?<!cron )(?<!regular )\b(?:expressions?|curly|brackets|placeholders?|\{\{)|\bhow\b.*\b(?:data|results?|"
        r"values?|"
        r"output)\b.*\b(?:pass(?:ed)?|get|flows?|handed|"
        r"from\s+one\s+step|between\s+(?:the\s+)?steps|next\s+step|another\s+step|previous\s+step|step\s+before)\b|"
        r"\bhow\b.*\b(?:use|access|refer|read)\b.*"
        r"\b(?:results?|output|data)\b.*\b(?:step|trigger|before|previous)\b",
        "A field may hold expressions in double braces, filled in when the step runs: "
        "`{{fetch_rates.result.body.euro}}` is what "
        "the step `fetch_rates` gave, `{{root.result.body.name}}` what came to the webhook, `{{root.text}}` the chat "
        "message, `{{$item.price}}` "
        "the item of a loop, `{{$vars.count}}` a variable. I write them myself when you say “mail the price”.",
    ),
    _topic(
        r"\b(?:dry\s*run|without\s+(?:actually\s+|really\s+)?(?:sending|posting|mailing|e-?mailing)|test\s+mode|"
        r"sandbox|simulate|"
        r"(?:can|could|do|should)\s+(?:i|we|you)\s+(?:\w+\s+)?(?:test|try)\s+(?:it|this|the|my|a|them|workflows?)\b|"
        r"how\s+(?:do|can|could|should|would)\s+(?:i|we|you)\s+"
        r"(?:test|try|run|start|execute)\b|(?:where|how)\b.*\brun\s+(?:it|this|the|a|my)\b|test\s+(?:it|"
        r"this)\s+(?:first|before))",
        _TRYING,
    ),
    _topic(
        r"\b(?:undo|roll\s*back|revert|go\s+back|restore|earlier\s+version|previous\s+version|"
        r"(?:older?|earlier|all|past)\s+versions?\b|versioning|history\s+of\s+changes|take\s+(?:it|that)\s+back)\b",
        "Every change is a version of its own, and a run belongs to the version it ran. The page has no "
        "undo button; tell me what to take back, for example “remove the "
        "step you just added” or “change the time back to 8”.",
    ),
    _topic(
        r"\b(?:pause|stop|disable|switch(?:ed)?\s+(?:it\s+)?off|turn(?:ed)?\s+(?:it\s+)?off|deactivate|suspend|enable|"
        r"activate|switch\s+(?:it\s+)?on|turn\s+(?:it\s+)?on|go\s+live|"
        r"publish|deploy|is\s+(?:it|this)\s+(?:live|active|running|on)\b)(?!.*\bstep\b)",
        "A workflow on a schedule or a webhook fires by itself while it is switched on (`is_active`); chat and manual "
        "ones "
        "start when somebody asks. Switch it with `PATCH /api/v1/workflows/{slug}/` and `is_active` true or false; "
        "nothing that was missed meanwhile is made up for. "
        "A run that is going on has a Cancel button.",
    ),
    _topic(
        r"\b(?:webhooks?|hook)\b.*\b(?:address|url|find|where|endpoint|link|get)\b|\b(?:address|url|endpoint|"
        r"link)\b.*\b(?:webhooks?|hook)\b|"
        r"\bwhere\b.*\b(?:send|post|point)\b.*\b(?:form|requests?|data|events?)\b.*\bto\b",
        "Each webhook trigger has an address of its own, `POST <this server>/hooks/<32 characters>`. It stands with "
        "the workflow in "
        "`GET /api/v1/workflows/{slug}/` and stays as long as the trigger does. It is a secret: whoever knows it can "
        "start the workflow, unless the trigger has a signing "
        "`secret`. It takes any body (JSON, form fields, text); the answer is 202 and the workflow runs behind it.",
    ),
    _topic(
        r"\b(?:limits?|maximum|max\b|at\s+most|how\s+(?:many|long|big|large|much)\b.*\b(?:can|could|may|allowed|"
        r"handle)|(?:is|are)\s+there\s+(?:an?y?\s+)?"
        r"(?:restrictions?|caps?|quotas?))\b(?!.*\bsteps?\s+(?:does|has|have|are)\b)",
        "The limits of one run: 10,000 steps, ten minutes of work (waiting not counted), 100 rounds of a loop, 1 MiB "
        "for the result of a "
        "step. A pause or a wait lasts 30 days at most, a schedule fires once a minute at most, a webhook takes 120 "
        "calls a minute of 1 MiB each. There is no limit to the number of "
        "workflows.",
    ),
    _topic(
        r"\b(?:retr(?:y|ies|ied)|try\s+again|tries\s+again|tried\s+again|repeats?\s+(?:it\s+)?(?:on|"
        r"after)\s+(?:errors?|failure))\b|"
        r"\bhow\b.*\b(?:handle|deal\s+with|treat)\w*\b.*\b(?:errors?|failures?|problems?|outages?)\b",
        "A failure that may pass (a host that does not answer, a full queue) is tried again twice, after one and two "
        "seconds; `retries` in a step sets 0 to 5. "
        "What sends something is repeated only when surely nothing has arrived. If it still fails, the run ends as "
        "failed and stands so in the list of runs. "
        "`http-request` counts every answer as a success, whatever its status; “if the request fails, email me” "
        "builds a check of it.",
    ),
    _topic(
        r"\b(?:attach(?:ment|ments|ing)?|files?|pdfs?|images?|photos?|pictures?|upload|excel|csv|"
        r"spreadsheets?)\b.*\b(?:can|could|support|handle|read|work|possible|send|how)\b|"
        r"\b(?:can|could|do|does|is)\b.*\b(?:attach(?:ment|ments)?|files?|pdfs?|images?|photos?|pictures?|"
        r"spreadsheets?|csv|excel)\b",
        "Workflows carry text and data (JSON), not files: there is no block that opens a PDF, an image or a "
        "spreadsheet, and emails have no attachments. "
        "What lies behind an HTTP API as text, CSV or JSON can be fetched, and the text of a document can be read by "
        "`extract-json` or an AI agent.",
    ),
    _topic(
        r"\b(?:share|colleagues?|team\s*mates?|collaborat\w+|invite|multi\s*user|other\s+users?)\b(?=.*\b(?:workflow|"
        r"it|this|with|you|caddie)\b)(?!.*\b(?:step|mail|slack|channel)\b)",
        "Workflows belong to your organisation: colleagues with a login of the same organisation see and run them, "
        "each with "
        "connectors of their own. A new colleague comes with `caddie users create EMAIL`.",
    ),
    _topic(
        r"\b(?:export|download|backup|json\s+(?:of|file)|(?:rest\s+|http\s+)?api\s+(?:of\s+(?:caddie|yours)|docs?|"
        r"documentation)|(?:do\s+you|does\s+caddie|is\s+there)\s+.*\b(?:an?\s+)?api\b)",
        "Everything has an HTTP API: `GET /v1/workflows/{id}` gives a workflow as JSON, `/docs` on this server "
        "describes all "
        "calls, and `POST /api/v1/executions/` runs a workflow.",
    ),
    _topic(
        r"^(?!.*\b(?:this|it|workflow|runs?)\b).*\b(?:time\s?zones?|daylight|summer\s+time|dst)\b",
        "Schedules have a time zone of their own, yours unless you name another: “at 9 New York time”. They keep to "
        "the clock on the wall "
        "there, in summer and in winter.",
    ),
    _topic(
        r"\b(?:languages?\b(?!\s+model)|speak|understand)\b.*\b(?:german|french|spanish|languages?|english|other|you|"
        r"italian|chinese|do)\b",
        "I understand English only. The texts a workflow works on may be in any language, and a language model "
        "can translate and answer in others.",
    ),
    _topic(
        r"\b(?:logs?|history|past\s+runs|executions?|previous\s+runs|see\s+what\s+(?:it\s+did|happened)|"
        r"monitor(?:ing)?)\b(?=.*\b(?:where|how|see|find|look|can)\b)|\bwhere\b.*\b(?:see|find|look)\b.*"
        r"\b(?:logs?|runs|history|results?|executions?)\b",
        "The button Runs above the graph lists past runs; one of them shows every node with what it was given, what "
        "it gave and "
        "how long it took. Or ask me: “how did the last run go?”.",
    ),
    _topic(
        r"\bhow\s+(?:do|can|should|would|does)\s+(?:i|we|one|you|caddie)\s+(?:get\s+started|start(?:\s+out)?|begin|"
        r"(?:build|make|create|set\s+up)\s+(?:a|my|my\s+first|one)\s*(?:new\s+)?(?:workflow|"
        r"automation|flow|one)?|work)\W*$|\bwhere\s+(?:do|should|can)\s+(?:i|we)\s+(?:start|begin)\b|\b(?:i\s+am|"
        r"i['’]m|we\s+are)\s+new\s+(?:here|to)\b|"
        r"\b(?:give|show)\s+me\s+an?\s+example\b|\bfor\s+example\W*$|\b(?:tutorial|documentation|docs|manual\s+page|"
        r"user\s+guide)\b|\bwhat\s+(?:should|do|can)\s+i\s+(?:say|write|type|tell\s+you)\b",
        _BEGINNING,
    ),
    _topic(r"\bhow\s+(?:does|do)\s+(?:it|this|these|that|everything|things)\s+work\W*$", _BEGINNING, empty=True),
    _topic(
        r"\bwhat(?:\s+(?:is|are)|['’]s)\s+(?:(?:a|an|the)\s+)?(?:workflows?|automations?)\s*(?:exactly|anyway|"
        r"for)?\W*$",
        "A workflow is a list of steps that runs by itself: a trigger starts it (a time, a webhook, a chat message, a "
        "button), then one step after "
        "another does something, such as fetching data, deciding, writing a text, sending a message.",
    ),
    _topic(
        r"\bwhat(?:\s+(?:is|are)|['’]s|\s+do(?:es)?)\s+(?:(?:a|an|the)\s+)?triggers?\b(?:\s+(?:mean|do|exactly|for|"
        r"anyway))*\W*$",
        "The trigger is what starts a workflow: a schedule (`cronjob`), a call from outside (`webhook`), a chat "
        "message (`trigger_chat`), or your own click (`manual`).",
    ),
    _topic(
        r"\bwhat(?:\s+(?:is|are)|['’]s|\s+do(?:es)?)\s+(?:(?:a|an|the)\s+)?(?:nodes?|steps?|blocks?)\b(?:\s+(?:mean|"
        r"do|exactly|for|anyway))*\W*$",
        "A block is a kind of step (such as “Send email”), a node or step is one use of it in a workflow, with its "
        "fields "
        "filled in. Ask “which blocks are there?” for all of them.",
    ),
    _topic(
        r"\bwhat(?:\s+(?:is|are)|['’]s)\s+(?:(?:a|an|the)\s+)?(?:branch(?:es)?|then\s+and\s+else)\b",
        "A branch is one of the ways out of a step: an `if` goes on with `then` when its condition holds and with "
        "`else` when not; "
        "a `wait` has `resumed` and `timed_out`. A step without a branch always follows.",
    ),
    _topic(
        r"\bwhat(?:\s+(?:is|are)|['’]s)\s+(?:(?:a|an)\s+)?(?:cron|rrule|api|json|url)\b(?!\s+of)(?!.*\b(?:this|it|"
        r"here|call\w*)\b)",
        "`cron` and RRULE are notations for times that come back, a URL is an address on the web, an API is such an "
        "address that gives data to programs, and JSON "
        "is the form the data has. You need none of them: say “every Monday at 9” and I write it.",
    ),
)  # fmt: skip


def told(text: str, canvas: bool) -> str | None:
    """The answer to a question about the product, else None. canvas: there is a workflow."""
    return next((each.told for each in _TOPICS if not (each.empty and canvas) and each.asked.search(text)), None)
