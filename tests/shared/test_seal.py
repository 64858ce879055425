"""shared/seal.py: what is sealed comes back with the right key only, and nothing else opens."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.seal import Seal

SEAL = Seal(b"k" * 32)


@given(st.text(max_size=200))
def test_a_sealed_text_comes_back(text: str) -> None:
    sealed = SEAL.seal(text)
    assert SEAL.open(sealed) == text
    assert sealed.isascii() and sealed.startswith("sealed1.")


def test_the_same_text_is_sealed_differently_each_time() -> None:
    assert SEAL.seal("secret") != SEAL.seal("secret")
    assert "secret" not in SEAL.seal("secret")


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(ValueError, match="expected one of this key"):
        Seal(b"x" * 32).open(SEAL.seal("secret"))


@settings(max_examples=200)
@given(st.data())
def test_a_changed_text_does_not_open(data: st.DataObject) -> None:
    sealed = SEAL.seal("secret")
    at = data.draw(st.integers(0, len(sealed) - 1))
    other = data.draw(st.characters().filter(lambda character: character != sealed[at]))
    with pytest.raises(ValueError) as error:
        SEAL.open(sealed[:at] + other + sealed[at + 1 :])
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("text", ["", "secret", "sealed1.", "sealed1.AA==", "sealed1.A", "sealed1.é", "sealed2.AAAA"])
def test_what_was_never_sealed_does_not_open(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        SEAL.open(text)


@pytest.mark.parametrize(
    "text", ["", "AAAA", base64.b64encode(b"k" * 31).decode(), base64.b64encode(b"k" * 33).decode(), "not base64!", "é"]
)
def test_a_key_of_another_size_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError, match="seal key: expected") as error:
        Seal.parse(text)
    assert not text or text not in str(error.value)


def test_generated_keys_work_and_differ() -> None:
    one, other = Seal.generate(), Seal.generate()
    assert one != other
    assert Seal.parse(one).open(Seal.parse(one).seal("x")) == "x"
