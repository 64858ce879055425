"""Everyday requests to the offline model, judged by the workflow they leave behind."""

# A request is one sentence on one line.
# ruff: noqa: E501

from __future__ import annotations

import time

import pytest

from shared.events import InputRequested, ToolFinished, ToolStarted
from shared.fold import FoldedMessage
from tests.caddie.agent.conversation import Conversation

GOLDEN = "Every morning at 8 fetch https://example.com/rates, and if the euro is above 1.10 post it to Slack #fx"
#: request → trigger, RRULE or "", the other blocks in order.
REQUESTS: list[tuple[str, str, str, list[str]]] = [
    (GOLDEN, "cronjob", "FREQ=DAILY;BYHOUR=8;BYMINUTE=0", ["http-request", "if", "slack-send-message"]),
    ("every weekday at 9 search the web for AI news, summarize the results and post them to #news on Slack", "cronjob",
     "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9;BYMINUTE=0", ["web-search", "summarize", "slack-send-message"]),
    ("When a form is submitted, extract the name, email and amount and send an email to sales@acme.com", "webhook", "",
     ["extract-json", "send-email"]),
    ("When someone writes in the chat, answer them politely", "trigger_chat", "", ["agent", "reply_chat"]),
    ("Build me a chatbot that answers questions about our shop", "trigger_chat", "", ["agent", "reply_chat"]),
    ("Fetch https://api.x.com/orders every hour. For each order, if the total is over 100 then email boss@x.com, otherwise log it",
     "cronjob", "FREQ=HOURLY;BYMINUTE=0", ["http-request", "for-each", "if", "send-email", "log"]),
    ("When the webhook arrives wait 30 seconds then call https://x.com/a", "webhook", "", ["delay", "http-request"]),
    ('When a customer sends a message, classify it as billing, bug or other and if it is billing email billing@acme.com, else reply "Soon"',
     "trigger_chat", "", ["classify", "if", "send-email", "reply_chat"]),
    ('Create a workflow that runs every Friday at 5pm, asks me for approval and if approved sends "The report is ready" to #reports',
     "cronjob", "FREQ=WEEKLY;BYDAY=FR;BYHOUR=17;BYMINUTE=0", ["human_confirmation", "if", "slack-send-message"]),
    ("On new orders via webhook, send the data to https://hooks.example.com/in", "webhook", "", ["send-webhook"]),
    ('Every 15 minutes check https://status.example.com/health and if the status is not 200 send a Discord message saying "Down"',
     "cronjob", "FREQ=MINUTELY;INTERVAL=15", ["http-request", "if", "discord-send-message"]),
    ("Summarise https://news.ycombinator.com every evening and email it to me@x.com", "cronjob", "FREQ=DAILY;BYHOUR=18;BYMINUTE=0",
     ["http-request", "summarize", "send-email"]),
    ('Every Monday send an email to team@example.com with the subject "Standup" saying "Please post your updates"', "cronjob",
     "FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0", ["send-email"]),
    ("Please notify the #ops channel when the temperature at https://api.weather.com/now exceeds 30 degrees", "cronjob",
     "FREQ=HOURLY;BYMINUTE=0",
     ["http-request", "if", "slack-send-message"]),
    ("whenever somebody sends a message in chat, translate it to Spanish and reply", "trigger_chat", "", ["agent", "reply_chat"]),
    ("When a webhook comes in, ask me for approval; if I approve post the data to Slack channel deals, otherwise log it", "webhook", "",
     ["human_confirmation", "if", "slack-send-message", "log"]),
    ('Every 10 minutes GET https://api.shop.com/stock and if stock is less than 5 then email ops@shop.com with subject "Low" and post to #stock',
     "cronjob", "FREQ=MINUTELY;INTERVAL=10", ["http-request", "if", "send-email", "slack-send-message"]),
    ("On weekdays at 18:00, fetch https://api.x.com/tickets, keep only the tickets where status is open, summarize them and send the summary to #support",
     "cronjob", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=18;BYMINUTE=0", ["http-request", "filter", "summarize", "slack-send-message"]),
    ('I want a bot that replies "We are closed" when someone messages', "trigger_chat", "", ["reply_chat"]),
    ("At 9am on the first of every month, run the workflow billing", "cronjob", "FREQ=MONTHLY;BYMONTHDAY=1;BYHOUR=9;BYMINUTE=0", ["trigger-workflow"]),
    ("Watch https://example.com/price every 5 minutes and alert me on Discord when the price drops below 100", "cronjob",
     "FREQ=MINUTELY;INTERVAL=5", ["http-request", "if", "discord-send-message"]),
    ('every day at noon search the web for "rust release" and log the results', "cronjob", "FREQ=DAILY;BYHOUR=12;BYMINUTE=0", ["web-search", "log"]),
    ('When a chat message arrives: if it contains "refund", reply "Please contact billing", else let the AI answer it', "trigger_chat", "",
     ["if", "reply_chat", "agent", "reply_chat"]),
    ("Generate a haiku every morning at 6 and post it in #fun", "cronjob", "FREQ=DAILY;BYHOUR=6;BYMINUTE=0", ["agent", "slack-send-message"]),
    ("Every Sunday evening get https://api.x.com/sales, extract the total and date, and email the result to ceo@x.com", "cronjob",
     "FREQ=WEEKLY;BYDAY=SU;BYHOUR=18;BYMINUTE=0", ["http-request", "extract-json", "send-email"]),
    ("For each item in https://api.x.com/items post the name to Slack #items", "manual", "", ["http-request", "for-each", "slack-send-message"]),
    ("When a customer writes, detect the sentiment; if it is negative notify #support on Slack", "trigger_chat", "",
     ["classify", "if", "slack-send-message"]),
    ("Count the visits whenever the webhook is called", "webhook", "", ["set-variable"]),
    ("Save the result of https://x.com/rates as variable rates every hour", "cronjob", "FREQ=HOURLY;BYMINUTE=0", ["http-request", "set-variable"]),
    ("Create a workflow with a webhook trigger that posts the payload to https://example.org/collect", "webhook", "", ["send-webhook"]),
    ("On every new signup send a welcome email to {{root.result.body.email}}", "webhook", "", ["send-email"]),
    ("Ping https://example.com every minute and email admin@example.com if it returns anything other than 200", "cronjob", "FREQ=MINUTELY",
     ["http-request", "if", "send-email"]),
    ("Can you send me a summary of https://example.com/news by email to a@b.com every day at 7am?", "cronjob",
     "FREQ=DAILY;BYHOUR=7;BYMINUTE=0", ["http-request", "summarize", "send-email"]),
    ("When a user asks a question, search the web for it and reply with a summary", "trigger_chat", "", ["web-search", "summarize", "reply_chat"]),
    ("Every first Monday fetch https://x.com/report and send to #finance", "cronjob", "FREQ=MONTHLY;BYDAY=1MO;BYHOUR=9;BYMINUTE=0",
     ["http-request", "slack-send-message"]),
    ("translate every incoming message to German and send it back", "trigger_chat", "", ["agent", "reply_chat"]),
    ('Log "tick" every 30 seconds', "cronjob", "FREQ=MINUTELY", ["log"]),
    ("When a GitHub issue is opened, summarize the body and post it to the #dev channel", "webhook", "", ["summarize", "slack-send-message"]),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "trigger", "rrule", "blocks"), REQUESTS)
async def test_a_request_becomes_a_valid_workflow(request_: str, trigger: str, rrule: str, blocks: list[str]) -> None:
    talk = Conversation()
    finished = await talk.say(request_)
    assert finished.outcome == "completed", talk.text
    assert talk.blocks() == [trigger, *blocks]
    assert talk.errors() == []
    assert talk.graph.nodes["root"].payload.get("rrule", "") == rrule
    assert "offline model" in talk.text
    assert {field.field for field in finished.result.incompleteFields} <= {"connector"}


async def test_the_golden_request_is_wired_to_the_last_comma() -> None:
    talk = Conversation()
    await talk.say(GOLDEN)
    graph = talk.graph
    assert graph.nodes["root"].payload == {"rrule": "FREQ=DAILY;BYHOUR=8;BYMINUTE=0", "timezone": "Europe/Berlin"}
    fetch, payload = talk.node("http-request")
    assert payload == {"method": "GET", "url": "https://example.com/rates"}
    check, payload = talk.node("if")
    assert payload["conditions"] == [{"left": "{{" + fetch + ".result.body.euro}}", "op": "gt", "right": 1.1}]
    post, payload = talk.node("slack-send-message")
    assert payload["channel"] == "#fx" and fetch in payload["text"]
    assert graph.nodes[post].branch == "then" and graph.nodes[check].children == (post,)
    names = [event.name for event in talk.of(ToolStarted)]
    assert names[0] == "search_blocks" and names.count("edit_workflow") == 4 and names[-1] == "validate_workflow"
    assert all(event.ok for event in talk.of(ToolFinished))


async def test_the_else_branch_and_the_loop_are_wired() -> None:
    talk = Conversation()
    await talk.say(REQUESTS[5][0])
    graph = talk.graph
    loop, payload = talk.node("for-each")
    check, condition = talk.node("if")
    assert payload == {"items": "{{fetch_orders.result.body}}"}
    assert graph.nodes[loop].loopBody == (check,)
    assert condition["conditions"][0] == {"left": "{{$item.total}}", "op": "gt", "right": 100}
    assert {graph.nodes[child].type: graph.nodes[child].branch for child in graph.nodes[check].children} == {
        "send-email": "then",
        "log": "else",
    }


@pytest.mark.parametrize(
    ("request_", "answers", "block", "field", "value"),
    [
        ('Post "Deployed" to Slack', ["#fx"], "slack-send-message", "channel", "#fx"),
        ("Post to Slack", ["alerts", "It is done"], "slack-send-message", "text", "It is done"),
        ("fetch the rates every hour", ["https://x.com/rates"], "http-request", "url", "https://x.com/rates"),
        ('every Monday at 10 send an email saying "Hello"', ["bob@x.com"], "send-email", "to", "bob@x.com"),
        (
            "When a chat message arrives classify it",
            ["billing, bug, other"],
            "classify",
            "labels",
            ["billing", "bug", "other"],
        ),
        (
            "every hour post to Slack #fx if the euro is above 1.10",
            ["https://x.com/rates"],
            "http-request",
            "url",
            "https://x.com/rates",
        ),
    ],
)
async def test_what_is_missing_is_asked_for_and_the_answer_is_used(
    request_: str, answers: list[str], block: str, field: str, value: object
) -> None:
    talk = Conversation()
    finished = await talk.say(request_)
    for answer in answers:
        assert finished.outcome == "waiting"
        asked = talk.of(InputRequested)[0]
        assert asked.body["allowText"] is True and str(asked.body["text"]) in talk.text
        assert field not in talk.node(block)[1] or len(answers) > 1
        finished = await talk.say(answer)
    assert finished.outcome == "completed"
    assert talk.node(block)[1][field] == value
    assert talk.errors() == []


async def test_what_the_user_leaves_open_is_reported_and_not_made_up() -> None:
    talk = Conversation()
    finished = await talk.say('Post "Deployed" to Slack')
    await talk.say("later")
    assert "channel" not in talk.node("slack-send-message")[1]
    assert "payload.channel" in {field.field for field in finished.result.incompleteFields}


@pytest.mark.parametrize(
    ("change", "node", "payload"),
    [
        ("change the time to 9", "root", {"rrule": "FREQ=DAILY;BYHOUR=9;BYMINUTE=0"}),
        ("run it every Monday at 17:30 instead", "root", {"rrule": "FREQ=WEEKLY;BYDAY=MO;BYHOUR=17;BYMINUTE=30"}),
        ("make it hourly", "root", {"rrule": "FREQ=HOURLY;BYMINUTE=0"}),
        ("use New York time", "root", {"timezone": "America/New_York"}),
        ("post to #alerts instead", "post_to_slack", {"channel": "#alerts"}),
        ("change the url to https://example.org/fx", "fetch_rates", {"url": "https://example.org/fx"}),
        (
            "change the threshold to 1.25",
            "check_euro",
            {"conditions": [{"left": "{{fetch_rates.result.body.euro}}", "op": "gt", "right": 1.25}]},
        ),
        ('change the message to "Sell now"', "post_to_slack", {"text": "Sell now"}),
    ],
)
async def test_a_change_touches_only_what_it_names(change: str, node: str, payload: dict[str, object]) -> None:
    talk = Conversation()
    await talk.say(GOLDEN)
    before = talk.graph
    finished = await talk.say(change)
    assert finished.outcome == "completed" and talk.errors() == []
    for name, value in payload.items():
        assert talk.graph.nodes[node].payload[name] == value
    assert {key: each for key, each in talk.graph.nodes.items() if key != node} == {
        key: each for key, each in before.nodes.items() if key != node
    }


async def test_steps_are_added_before_and_after_and_removed() -> None:
    talk = Conversation()
    await talk.say(GOLDEN)
    await talk.say("also email me@x.com")
    assert talk.graph.nodes["post_to_slack"].children == ("send_email",)
    assert talk.graph.nodes["send_email"].payload["to"] == "me@x.com"
    await talk.say("before the Slack step, wait 10 seconds")
    assert talk.graph.nodes["check_euro"].children == ("wait",) and talk.graph.nodes["wait"].branch == "then"
    assert talk.graph.nodes["wait"].children == ("post_to_slack",)
    await talk.say("remove the Slack step")
    assert "post_to_slack" not in talk.graph.nodes and talk.graph.nodes["wait"].children == ("send_email",)
    assert talk.errors() == []


async def test_removing_something_unknown_asks_which() -> None:
    talk = Conversation()
    await talk.say(GOLDEN)
    finished = await talk.say("remove the zebra")
    assert finished.outcome == "waiting"
    await talk.say("post_to_slack")
    assert "post_to_slack" not in talk.graph.nodes


async def test_a_second_whole_request_is_not_allowed_to_wipe_the_canvas() -> None:
    talk = Conversation()
    await talk.say(GOLDEN)
    finished = await talk.say("When a chat message arrives, answer it")
    assert finished.outcome == "waiting" and "post_to_slack" in talk.graph.nodes
    await talk.say("replace")
    assert talk.blocks() == ["trigger_chat", "agent", "reply_chat"] and talk.errors() == []


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("What does this workflow do?", "https://example.com/rates"),
        ("explain this workflow", "post_to_slack"),
        ("When does it run?", "every day at 08:00"),
        ("How many steps are there?", "4 steps"),
        ("what can you do?", "Slack"),
        ("hi", "offline model"),
        ("thanks!", "welcome"),
    ],
)
async def test_questions_are_answered_and_change_nothing(question: str, told: str) -> None:
    talk = Conversation()
    await talk.say(GOLDEN)
    before = talk.definition
    finished = await talk.say(question)
    assert told in talk.text and talk.definition == before
    assert finished.result.type == "message" and finished.result.workflow is None


async def test_gibberish_gets_an_honest_answer() -> None:
    talk = Conversation()
    finished = await talk.say("flurb the wibble")
    assert finished.outcome == "completed" and talk.definition is None and "did not understand" in talk.text


async def test_a_clause_nobody_understands_is_named_and_left_out() -> None:
    talk = Conversation()
    await talk.say("Every day at 9 fetch https://x.com/a and zorp the glibble")
    assert "http-request" in talk.blocks() and "zorp" in talk.text


async def test_what_validation_reports_is_repaired() -> None:
    broken = {
        "nodes": {
            "root": {"type": "manual", "children": ["fetch"]},
            "fetch": {"type": "http-request", "payload": {"url": "https://x.com/a"}, "children": ["say"]},
            "say": {"type": "format", "payload": {"template": "Got {{fetsh.result.body}}"}, "children": []},
        }
    }
    talk = Conversation(definition=broken)
    assert talk.errors()
    await talk.say("fix the errors in this workflow")
    assert talk.errors() == [] and talk.node("format")[1]["template"] == "Got {{fetch.result.body}}"


async def test_planning_asks_before_it_builds() -> None:
    talk = Conversation()
    finished = await talk.say(GOLDEN, mode="planning")
    assert finished.outcome == "waiting" and talk.of(InputRequested)[0].kind == "plan" and talk.definition is None
    await talk.say("build it")
    assert "slack-send-message" in talk.blocks()


async def test_v1_builds_in_one_step_and_v2_never_asks() -> None:
    talk = Conversation()
    finished = await talk.say("fetch the rates every hour and post them to #fx", agentVersion="v1")
    assert finished.usage.steps == 1 and finished.outcome == "completed" and "slack-send-message" in talk.blocks()
    talk = Conversation()
    finished = await talk.say("fetch the rates every hour and post them to #fx", agentVersion="v2")
    assert finished.outcome == "completed" and "payload.url" in {
        field.field for field in finished.result.incompleteFields
    }


async def test_the_same_request_gives_the_same_events() -> None:
    first, second = Conversation(), Conversation()
    await first.say(GOLDEN)
    await second.say(GOLDEN)
    assert [type(event) for event in first.events] == [type(event) for event in second.events]
    assert first.definition == second.definition and first.text == second.text


@pytest.mark.parametrize(
    "unit", ["if ", "when a ", "a.b.", "post to slack ", '"', "every monday and ", "{{a}}", "add "]
)
async def test_a_monstrous_message_is_answered_in_bearable_time(unit: str) -> None:
    began = time.perf_counter()
    await Conversation().say((unit * 10_000)[:10_000], agentVersion="v2")
    assert time.perf_counter() - began < 5


async def test_the_turns_own_message_in_the_history_does_not_count_twice() -> None:
    talk = Conversation()
    talk.history.append(FoldedMessage(id="own", role="user", text=GOLDEN))
    await talk.say(GOLDEN)
    assert len(talk.blocks()) == 4


async def test_an_answer_may_come_as_the_label_of_its_option() -> None:
    talk = Conversation()
    await talk.say('Post "Deployed" to Slack')
    finished = await talk.say("Leave it open, I fill it in later")
    assert finished.outcome == "completed" and "channel" not in talk.node("slack-send-message")[1]
