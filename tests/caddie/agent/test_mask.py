"""Secrets of a workflow: what the model sees of them, and what comes back."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from caddie.agent.mask import MARK, Mask
from shared.errors import CaddieError

SECRET = "tok-5f1e-very-secret"
DEFINITION: dict[str, Any] = {
    "sensitivePropKeys": ["fetch.payload.pin", "badge"],
    "nodes": {
        "root": {"type": "manual", "children": ["fetch"]},
        "fetch": {
            "type": "http-request",
            "payload": {
                "url": "https://x.com", "pin": SECRET, "deep": [{"badge": "b4dge-12345"}], "q": "{{$vars.pin}}",
                "headers": {"Authorization": f"Bearer {SECRET}", "Accept": "text/plain"},
                "list": [{"name": "X-Api-Key", "value": "k3y-abcdef"}, {"name": "page", "value": "12"}],
                "password": "{{$vars.password}}", "maxTokens": 12,
            },
        },
    },
}  # fmt: skip


def test_hidden_members_are_marked_wherever_they_stand_and_nothing_else() -> None:
    shown = Mask(DEFINITION).hide(DEFINITION)
    payload = shown["nodes"]["fetch"]["payload"]
    assert payload["pin"] == payload["deep"][0]["badge"] == payload["headers"]["Authorization"] == MARK
    assert payload["list"] == [{"name": "X-Api-Key", "value": MARK}, {"name": "page", "value": "12"}]
    assert payload["headers"]["Accept"] == "text/plain" and payload["url"] == "https://x.com"
    assert payload["password"] == "{{$vars.password}}" and payload["maxTokens"] == 12
    text = orjson.dumps(shown).decode()
    assert not any(secret in text for secret in (SECRET, "b4dge-12345", "k3y-abcdef"))


def test_a_hidden_value_is_hidden_in_texts_too() -> None:
    mask = Mask(DEFINITION)
    assert mask.hide(f"the host refused {SECRET}!") == f"the host refused {MARK}!"
    assert mask.hide({"a": [f"x{SECRET}y", 1, None]}) == {"a": [f"x{MARK}y", 1, None]}


def test_a_mark_that_comes_back_is_what_was_there() -> None:
    mask, payload = Mask(DEFINITION), DEFINITION["nodes"]["fetch"]["payload"]
    assert mask.restore(mask.hide(payload), payload) == payload
    assert mask.restore({"note": "plain"}, payload) == {"note": "plain"}


@pytest.mark.parametrize("value", [{"url": MARK}, {"body": {"a": MARK}}, {"url": f"https://e.example/{MARK}"}, [MARK]])
def test_a_mark_elsewhere_is_refused(value: Any) -> None:
    with pytest.raises(CaddieError, match="hidden"):
        Mask(DEFINITION).restore(value, {"pin": SECRET})


@pytest.mark.parametrize(
    "text",
    [
        "{{fetch.payload.pin}}", "{{$nodes.fetch.payload.headers.Authorization}}",
        "a {{x || fetch.payload.deep.0.badge}}", "{{fetch.payload}}", "{{ fetch.payload.headers }}",
        '{{fetch["payload"]["pin"]}}', "{{fetch.payload.list[0].value}}", "{{later.payload.list}}",
    ],
)  # fmt: skip
def test_an_expression_may_not_read_it(text: str) -> None:
    with pytest.raises(CaddieError, match="expected no expression"):
        Mask(DEFINITION).refuse_reading({"body": [text]})
    Mask(DEFINITION).refuse_reading({"body": ["{{fetch.payload.url}}", "{{fetch.result.pin}}"]})


def test_a_node_with_a_secret_keeps_its_hosts_unless_the_user_names_another() -> None:
    mask, payload = Mask(DEFINITION), DEFINITION["nodes"]["fetch"]["payload"]
    for value in ({"url": "https://evil.example/x"}, {"url": "{{root.result.url}}"}, {"body": "//evil.example"}):
        with pytest.raises(CaddieError, match="address the user has named"):
            mask.refuse_elsewhere(value, payload, "please update the address")
    mask.refuse_elsewhere({"url": "https://x.com/other", "method": "GET"}, payload, "")
    mask.refuse_elsewhere({"url": "https://new.example/x"}, payload, "use https://New.example/x from now on")
    mask.refuse_elsewhere({"url": "https://any.example"}, {"url": "https://x.com"}, "")


def test_nothing_is_hidden_where_nothing_is_secret() -> None:
    definition = {"nodes": {"root": {"type": "manual", "payload": {"a": "b"}}}}
    assert Mask(definition).hide(definition) == definition and Mask(None).hide("x") == "x"
