"""Values, counts, sums and lists that a workflow keeps."""

from __future__ import annotations

import pytest

from caddie.models.offline import variables


@pytest.mark.parametrize(
    ("clause", "payload", "members"),
    [
        ("put it in the variable total", {"name": "total"}, []),
        ("save the id as last_id", {"name": "last_id"}, ["id"]),
        ("count how often the webhook is called", {"name": "calls", "operation": "increment", "value": 1}, []),
        ("keep a running total of the amounts", {"name": "total_amount", "operation": "increment"}, ["amount"]),
        ("add the amount to the variable raised", {"name": "raised", "operation": "increment"}, ["amount"]),
        ("append the name to the list guests", {"name": "guests", "operation": "append"}, ["name"]),
        ("increase the counter visits by 5", {"name": "visits", "operation": "increment", "value": 5}, []),
        ("remember the temperature", {"name": "temperature"}, ["temperature"]),
    ],
)
def test_what_is_kept_is_called_what_the_request_calls_it(
    clause: str, payload: dict[str, object], members: list[str]
) -> None:
    action = variables.variable(clause, clause)
    assert action is not None and (action.payload, action.members) == (payload, members)


def test_adding_up_words_is_no_sum() -> None:
    assert variables.variable("sum up the news", "") is None
    assert variables.variable("add them to our list at https://x.example/add", "") is None
