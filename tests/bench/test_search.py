"""The labelled queries: honest, and answered as well as the documentation says."""

from __future__ import annotations

from bench.search import TOP, measure, queries
from shared.catalog import Catalog
from shared.search import words
from shared.templates import Templates

BLOCKS, TEMPLATES = Catalog.builtin(), Templates.builtin()


def test_every_label_exists_and_every_template_is_asked_for() -> None:
    labelled = queries()
    assert sum(map(len, labelled.values())) >= 60
    named = {kind: {name for each in labelled[kind] for name in each["expected"]} for kind in labelled}
    assert named["block"] == {block.type for block in BLOCKS.all()}
    assert named["template"] == {template.id for template in TEMPLATES.all()}
    asked = [each["query"] for each in labelled["block"] + labelled["template"]]
    assert len(set(asked)) == len(asked)


def test_no_query_repeats_what_it_should_find() -> None:
    """A query in the words of an example would measure nothing."""
    examples = {tuple(sorted(words(text))) for each in TEMPLATES.all() for text in (each.title, *each.examples)}
    examples |= {tuple(sorted(words(example.description))) for each in BLOCKS.all() for example in each.examples}
    labelled = queries()
    for each in labelled["block"] + labelled["template"]:
        assert tuple(sorted(words(each["query"]))) not in examples


def test_recall_is_what_it_was() -> None:
    shares = {(each.kind, each.mode): each.share for each in measure()}
    assert TOP == 5
    assert shares["block", "lightweight"] >= 0.65 and shares["template", "lightweight"] >= 0.65
    assert shares["block", "hybrid"] >= 0.88 and shares["template", "hybrid"] >= 0.85
