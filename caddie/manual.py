"""`python -m caddie.manual FILE`: writes the settings table into a page, between its two marker lines.

Invariant: the table says what `shared.settings` says; a test compares them. Called by `make docs`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from shared.settings import Settings

BEGIN = "<!-- settings: written by `make docs` -->"
END = "<!-- end of settings -->"


def table() -> str:
    """One row a setting, in the order of the class."""
    rows = [_row(name, field) for name, field in Settings.model_fields.items()]
    return "\n".join(["| setting | default | |", "|---|---|---|", *rows])


def renewed(page: str) -> str:
    """The page with the current table. Raises ValueError when the marker lines are missing."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"expected the lines {BEGIN} and {END}, got a page without them")
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"


def _row(name: str, field: FieldInfo) -> str:
    description = (field.description or "").replace("|", "\\|")
    return f"| `{_variable(name, field)}` | {_default(field)} | {description} |"


def _variable(name: str, field: FieldInfo) -> str:
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return str(alias.choices[0])
    return f"CADDIE_{name.upper()}"


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is None or value == "" or value == ():
        return ""
    return f"`{value}`"


def main() -> None:
    path = Path(sys.argv[1])
    path.write_text(renewed(path.read_text()))


if __name__ == "__main__":
    main()
