"""Plugins: blocks and templates that an installed distribution adds through an entry point.

An entry point of the group ``caddie.plugins`` names a mapping with the members of ``Plugin``, or a callable that gives
one; what it adds is called ``<name of the entry point>.<something>``. Invariant: a plugin is taken whole or not at
all, and none can change what another or the program brings. Callers: ``Catalog.default``, ``Templates.default``,
`caddie check`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.catalog import Block, Catalog, block_faults
from shared.templates import Template, Templates, template_faults
from shared.workflows import shape_fault

GROUP = "caddie.plugins"
NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
MAX_FAULTS = 5
_log = structlog.get_logger()


class Plugin(BaseModel):
    """What a plugin adds, in the shape of the files in ``catalog_data``."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    blocks: tuple[Block, ...] = Field(default=(), max_length=500)
    templates: tuple[Template, ...] = Field(default=(), max_length=500)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A plugin that was left out. `source`: its entry point and distribution; `faults`: expected and got."""

    source: str
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Library:
    """Everything there is to build with. `plugins`: the sources of those that were taken."""

    catalog: Catalog
    templates: Templates
    plugins: tuple[str, ...] = ()
    refusals: tuple[Refusal, ...] = ()


@cache
def library() -> Library:
    """The program's own blocks and templates and those of the plugins, loaded once."""
    found = load(entry_points(group=GROUP))
    for refusal in found.refusals:
        _log.error("plugin.refused", source=refusal.source, faults=list(refusal.faults))
    return found


def load(points: Iterable[EntryPoint]) -> Library:
    """The library with the plugins of ``points``, in the order of their names."""
    catalog, templates = Catalog.builtin(), Templates.builtin()
    taken: list[str] = []
    refusals: list[Refusal] = []
    names: set[str] = set()
    for point in sorted(points, key=lambda each: (each.name, _source(each))):
        try:
            if point.name in names:
                raise _Refused("expected a name no other plugin has")
            names.add(point.name)
            plugin = _read(point)
            wider = Catalog((*catalog.all(), *plugin.blocks))
            if faults := list(_faults(point.name, plugin, wider)):
                raise _Refused(*faults)
        except _Refused as refused:
            refusals.append(Refusal(_source(point), refused.faults[:MAX_FAULTS]))
            continue
        except Exception as error:  # a schema of a shape that no check was written for
            refusals.append(Refusal(_source(point), (f"expected blocks and templates, got {error!r}"[:300],)))
            continue
        catalog, templates = wider, Templates((*templates.all(), *plugin.templates))
        taken.append(_source(point))
    return Library(catalog, templates, tuple(taken), tuple(refusals))


class _Refused(Exception):
    def __init__(self, *faults: str) -> None:
        self.faults = faults


def _read(point: EntryPoint) -> Plugin:
    if not NAME.fullmatch(point.name):
        raise _Refused(f"expected a name of up to 31 of a-z, 0-9 and -, beginning with a letter, got {point.name[:64]}")
    try:
        value: Any = point.load()
        value = value() if callable(value) else value
    # What a stranger's code raises while it is imported or called is not ours to know; it must not end the process.
    except (Exception, SystemExit) as error:
        raise _Refused(f"expected {point.value} to load, got {type(error).__name__}: {error}"[:300]) from error
    if not isinstance(value, Mapping | Plugin):
        got = type(value).__name__
        raise _Refused(f"expected {point.value} to give a mapping with blocks and templates, got {got}")
    try:
        return Plugin.model_validate(dict(value) if isinstance(value, Mapping) else value)
    except ValidationError as error:
        faults = map(shape_fault, error.errors(include_url=False)[:MAX_FAULTS])
        raise _Refused(*(f"{fault.field}: {fault.message}" for fault in faults)) from error


def _faults(name: str, plugin: Plugin, catalog: Catalog) -> Iterator[str]:
    """What is wrong with a plugin of the right shape. ``catalog``: with its blocks."""
    seen: set[str] = set()
    for block in plugin.blocks:
        yield from _naming(f"block {block.type}", name, block.type, seen)
        yield from (f"block {block.type}: {fault}" for fault in block_faults(block, catalog))
        if block.trigger or block.loop or block.branches:
            yield f"block {block.type}: expected neither trigger, loop nor branches, which only the program has"
    seen = set()
    for template in plugin.templates:
        yield from _naming(f"template {template.id}", name, template.id, seen)
        yield from (f"template {template.id}: {fault}" for fault in template_faults(template, catalog))


def _naming(what: str, name: str, given: str, seen: set[str]) -> Iterator[str]:
    if not re.fullmatch(re.escape(name) + r"\.[a-z0-9]+([_-][a-z0-9]+)*", given) or len(given) > 64:
        yield f"{what}: expected a name such as {name}.something, got {given[:80]}"
    if given in seen:
        yield f"{what}: expected it once, got it again"
    seen.add(given)


def _source(point: EntryPoint) -> str:
    if point.dist is None:
        return point.name
    return f"{point.name} of {point.dist.name} {point.dist.version}"
