"""What people wish of a workflow that is there: which step, which branch, which text, which number is meant."""

from __future__ import annotations

from typing import Any

import pytest

from bench.evaluation.cases import Case, workflows
from bench.evaluation.conversation import Conversation, Outcome
from caddie.agent.library import Library
from caddie.models.offline import amounts, manners, mention, sides
from caddie.models.offline.canvas import Canvas
from caddie.models.offline.model import OfflineModel
from shared.plugins import library
from shared.search import BlockSearch


async def said(name: str, *text: str) -> Outcome:
    catalog = library().catalog
    case = Case(id="it", kind="change", say=text, check=())
    searched = Library(catalog, BlockSearch(catalog))
    return await Conversation(case, lambda: OfflineModel(0), searched, workflows()[name]).run()


async def changed(name: str, text: str) -> dict[str, dict[str, Any]]:
    outcome = await said(name, text)
    assert [each.message for each in outcome.issues if each.severity == "error"] == []
    return dict(outcome.after["nodes"])


@pytest.mark.parametrize(
    ("name", "phrase", "step"),
    [
        ("applicants", "the rejection", "decline"),
        ("applicants", "we turn somebody down", "decline"),
        ("dues", "the reminder", "remind"),
        ("dues", "the second mail", "report"),
        ("dues", "the last thing", "report"),
        ("backup", "the part that checks the status", "went_wrong"),
        ("bookings", "step 3", "mail_guest"),
        ("donations", "the goal", "goal_reached"),
    ],
)
def test_a_step_is_meant_by_its_name_its_kind_or_its_place(name: str, phrase: str, step: str) -> None:
    assert Canvas(workflows()[name]).meant(phrase) == step


def test_a_phrase_none_of_whose_words_fits_means_no_step() -> None:
    assert Canvas(workflows()["menu"]).meant("the invoice") is None
    assert mention.best("the invoice", workflows()["menu"]["nodes"], ["cook"]) == []


@pytest.mark.parametrize(
    ("name", "phrase", "branch"),
    [
        ("backup", "it failed", "then"),
        ("backup", "everything is fine", "else"),
        ("leads", "small leads", "else"),
        ("trial", "they do get set up", "resumed"),
        ("trial", "it times out", "timed_out"),
        ("applicants", "the boss says no", "else"),
        ("donations", "the goal is not reached yet", "else"),
    ],
)
def test_a_branch_is_meant_by_what_its_condition_is_called_or_by_the_opposite(
    name: str, phrase: str, branch: str
) -> None:
    side = sides.meant(phrase, Canvas(workflows()[name]))
    assert side is not None and side.branch == branch


def test_a_condition_of_its_own_is_no_branch_that_is_there() -> None:
    assert sides.meant("it is a bug", Canvas(workflows()["support"])) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("can we get rid of the log?", "get rid of the log"),
        ("how about sending it at 9?", "send it at 9"),
        ("the log is useless, take it out", "take the log out"),
        ("wait 5 seconds so we do not get blocked", "wait 5 seconds"),
        ("I only want the urgent ones", "only the urgent ones"),
    ],
)
def test_a_wish_is_read_without_what_is_said_around_it(text: str, told: str) -> None:
    assert manners.unexplained(manners.direct(text)) == told


def test_numbers_in_words_and_thousands_are_figures() -> None:
    assert amounts.digits("ten thousand, twenty-five, 1.5k, half an hour") == "10000, 25, 1500, 30 minutes"


@pytest.mark.parametrize(
    ("name", "text", "step", "field", "value"),
    [
        ("leads", "raise the limit to 10k", "big_budget", "conditions.right", 10000),
        ("donations", "the goal is 25000 now", "goal_reached", "conditions.right", 25000),
        ("trial", "give them five days rather than three", "wait_for_setup", "timeoutSeconds", 432000),
        ("backup", "wait twice as long", "let_it_run", "seconds", 1200),
        ("backup", "try the status three times", "get_status", "retries", 3),
        ("tickets", "150 words for the digest", "digest", "maxWords", 150),
        ("backup", "use POST instead of GET for the status", "get_status", "method", "POST"),
    ],
)
async def test_another_value_goes_where_one_of_its_kind_stands(
    name: str, text: str, step: str, field: str, value: object
) -> None:
    found = (await changed(name, text))[step]["payload"]
    part, _, inner = field.partition(".")
    assert (found[part][0][inner] if inner else found[part]) == value


async def test_a_message_mentions_data_that_is_known() -> None:
    nodes = await changed("leads", "the sales message should mention the budget too")
    assert nodes["tell_sales"]["payload"]["text"].endswith("Budget: {{read_lead.result.data.budget}}")


async def test_what_is_to_be_said_to_the_readers_is_addressed_to_them() -> None:
    nodes = await changed("dues", "the reminder should say that they can also pay by card")
    assert nodes["remind"]["payload"]["text"].endswith("You can also pay by card.")


async def test_a_fixed_text_in_another_language_goes_through_a_translation() -> None:
    nodes = await changed("trial", "send the reminder in Spanish")
    assert nodes["translate"]["children"] == ["nudge"] and "Spanish" in nodes["translate"]["payload"]["prompt"]


@pytest.mark.parametrize(
    ("name", "text", "question"),
    [
        ("applicants", "the rejection is too harsh", "What should `decline` say"),
        ("plants", "it's too noisy", "What shall I do about it"),
        ("backup", "less often", "How often"),
        ("dues", "remove the mail", "Which step"),
    ],
)
async def test_what_is_vague_is_asked_about_and_changes_nothing(name: str, text: str, question: str) -> None:
    outcome = await said(name, text)
    assert question in outcome.question and outcome.after["nodes"] == workflows()[name]["nodes"]


async def test_the_answer_to_a_vague_wish_is_a_wish_of_its_own() -> None:
    outcome = await said("plants", "it's too noisy", "run it once a week")
    assert "WEEKLY" in outcome.after["nodes"]["root"]["payload"]["rrule"]


async def test_another_limit_stands_beside_the_condition_there_is() -> None:
    nodes = await changed("leads", "over 20000 also ping the boss at boss@firm.example")
    assert nodes["read_lead"]["children"] == ["big_budget", "big_budget_2"]
    assert nodes["big_budget_2"]["payload"]["conditions"][0]["right"] == 20000


async def test_a_question_to_a_person_goes_with_the_condition_on_its_answer() -> None:
    nodes = await changed("applicants", "the approval isn't needed any more")
    assert set(nodes) == {"root", "sum_up", "invite", "tell_hr"} and nodes["sum_up"]["children"] == ["invite"]


async def test_nothing_is_sent_for_an_empty_list() -> None:
    nodes = await changed("tickets", "if there are no open tickets, don't mail anybody")
    check = nodes[nodes["open_only"]["children"][0]]
    assert check["payload"]["conditions"] == [{"left": "{{open_only.result.items}}", "op": "empty"}]
    assert nodes["digest"]["branch"] == "else"


async def test_a_second_schedule_stands_beside_the_first() -> None:
    outcome = await said("backup", "also run it on sunday at noon")
    assert len(outcome.after["triggerNodeIds"]) == 2
    assert [each.message for each in outcome.issues if each.severity == "error"] == []


async def test_of_several_wishes_the_one_not_understood_is_told() -> None:
    outcome = await said("tickets", "send it at 7:30 and make the frobnicator purple")
    assert "BYHOUR=7" in outcome.after["nodes"]["root"]["payload"]["rrule"]
    assert "frobnicator" in outcome.text


async def test_a_new_field_joins_the_extraction_there_is() -> None:
    nodes = await changed("leads", "also extract the phone number")
    assert list(nodes["read_lead"]["payload"]["schema"]["properties"]) == ["name", "company", "budget", "phone_number"]
