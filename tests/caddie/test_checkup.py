"""`caddie check` on plugins; the rest of it is tested through the command line."""

from __future__ import annotations

import pytest

from caddie import checkup
from shared.catalog import Catalog
from shared.plugins import Library, Refusal
from shared.templates import Templates


def test_plugins_are_listed_and_one_that_was_left_out_fails_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = Refusal("broken of broken-caddie 1.0", ("expected x, got y", "expected z"))
    found = Library(Catalog(()), Templates(()), ("acme of acme-caddie 1.0",), (refusal,))
    monkeypatch.setattr(checkup, "library", lambda: found)
    assert list(checkup.plugins()) == [
        checkup.Finding("plugin", True, "acme of acme-caddie 1.0"),
        checkup.Finding("plugin", False, "broken of broken-caddie 1.0: expected x, got y; expected z"),
    ]
