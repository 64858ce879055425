"""shared/sensitive.py: what `sensitivePropKeys` names is sealed, comes back, and belongs to one organisation."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalog import Catalog
from shared.errors import CaddieError
from shared.seal import SEALED, Seal
from shared.sensitive import Sensitive
from shared.validation import validate
from shared.workflows import Definition, parse_definition

SENSITIVE = Sensitive(Seal(b"k" * 32))


def definition(payload: dict[str, Any], keys: list[str] | None = None) -> Definition:
    nodes = {"root": {"type": "manual", "children": ["call"]}, "call": {"type": "http-request", "payload": payload}}
    return parse_definition({"nodes": nodes, "sensitivePropKeys": keys if keys is not None else ["token"]})


def payload(sealed: Definition) -> Any:
    return sealed.nodes["call"].payload


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=50).filter(
        lambda text: not text.startswith(SEALED) and "{{" not in text
    )
)
def test_a_named_member_is_sealed_at_any_depth_and_comes_back(secret: str) -> None:
    given_ = definition(
        {"url": "https://a.example", "token": secret, "body": {"auth": [{"token": secret}], "note": "x"}}
    )
    sealed = SENSITIVE.seal(given_, 7)
    assert payload(sealed)["token"].startswith(SEALED) and payload(sealed)["body"]["auth"][0]["token"].startswith(
        SEALED
    )
    assert (payload(sealed)["url"], payload(sealed)["body"]["note"]) == ("https://a.example", "x")
    assert SENSITIVE.open(sealed, 7) == given_


def test_the_same_definition_is_the_same_again_and_may_be_sent_back() -> None:
    given_ = definition({"url": "https://a.example", "token": "hush-hush"})
    sealed = SENSITIVE.seal(given_, 7)
    assert SENSITIVE.seal(given_, 7) == sealed == SENSITIVE.seal(sealed, 7)


def test_a_value_of_another_organisation_or_key_is_refused_by_its_place() -> None:
    sealed = SENSITIVE.seal(definition({"url": "https://a.example", "token": "hush-hush"}), 7)
    for other, org in ((SENSITIVE, 8), (Sensitive(Seal(b"x" * 32)), 7)):
        with pytest.raises(CaddieError) as refused:
            other.seal(sealed, org)
        assert [fault.field for fault in refused.value.faults] == ["nodes.call.payload.token"]
    with pytest.raises(CaddieError, match="sealed for this organisation"):
        SENSITIVE.seal(definition({"url": "https://a.example", "token": f"{SEALED}junk"}), 7)


def test_a_path_names_its_last_part_and_a_name_beside_a_value_counts() -> None:
    given_ = definition(
        {"url": "https://a.example", "headers": [{"name": "X-Key", "value": "hush-hush"}]}, ["call.X-Key"]
    )
    assert payload(SENSITIVE.seal(given_, 7))["headers"][0]["value"].startswith(SEALED)


def test_references_and_what_nobody_named_stay_as_they_are() -> None:
    given_ = definition({"url": "https://a.example", "token": " {{$vars.token}} ", "password": "plain"})
    assert SENSITIVE.seal(given_, 7) == given_
    assert SENSITIVE.seal(definition({"token": "hush-hush"}, []), 7) == definition({"token": "hush-hush"}, [])


def test_a_sealed_value_passes_validation_where_its_text_would() -> None:
    sealed = SENSITIVE.seal(definition({"url": "https://a.example/hook"}, ["url"]), 7)
    assert [issue for issue in validate(sealed, Catalog.builtin()) if issue.severity == "error"] == []


def test_a_member_called_name_may_be_anything() -> None:
    given_ = definition({"schema": {"name": {"type": "string"}, "key": ["token"], "value": "x"}, "token": "hush-hush"})
    sealed = SENSITIVE.seal(given_, 7)
    assert payload(sealed)["schema"] == payload(given_)["schema"] and payload(sealed)["token"].startswith(SEALED)


def test_the_secret_of_a_webhook_is_sealed_whether_it_is_named_or_not() -> None:
    nodes = {"root": {"type": "webhook", "payload": {"secret": "what signs deliveries"}, "children": ["call"]}}
    nodes["call"] = {"type": "http-request", "payload": {"url": "https://a.example", "body": {"secret": "not this"}}}
    plain = parse_definition({"nodes": nodes})
    sealed = SENSITIVE.seal(plain, 7)
    assert str(sealed.nodes["root"].payload["secret"]).startswith(SEALED)
    assert sealed.nodes["call"] == plain.nodes["call"]
    assert SENSITIVE.open(sealed, 7) == plain
