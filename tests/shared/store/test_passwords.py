from __future__ import annotations

import pytest

from shared.store.passwords import hash_password, verify_password


def test_a_password_verifies_against_its_own_hash_only() -> None:
    stored = hash_password("correct horse ñ")
    assert stored.startswith("scrypt$16384$8$5$") and "correct" not in stored
    assert verify_password("correct horse ñ", stored)
    assert not verify_password("correct horse n", stored)


def test_the_same_password_hashes_differently_each_time() -> None:
    assert hash_password("x") != hash_password("x")


@pytest.mark.parametrize(
    "stored", [None, "", "scrypt$1$2", "md5$1$1$1$a$b", "scrypt$99999999$8$5$YQ==$YQ==", "scrypt$a$b$c$d$e"]
)
def test_damaged_hashes_verify_nothing(stored: str | None) -> None:
    assert not verify_password("x", stored)
