// A proposal in lines: what each change does, and the fields that differ because of it. Pure, for the tests.
// Caller: the proposal's row.
import { readable } from "./dom";
import type { Json, JsonObject, Proposal } from "./wire";

export interface Line {
  text: string;
  fields: { name: string; before: string | null; after: string | null }[];
}

/** A line a change. The summary has one each, but for those beyond its bound, of which its last line tells. */
export function lines(proposal: Proposal): Line[] {
  const told = (proposal.summary ?? "").split("\n").filter(Boolean);
  const texts = told.length ? told : (proposal.changes ?? []).map(words);
  return texts.map((text, position) => ({
    text,
    fields: (proposal.diff ?? [])
      .filter(({ change }) => change === position)
      .map(({ field, before, after }) => ({ name: field, before: shown(before), after: shown(after) })),
  }));
}

const SHORT = 80;

/** null: there is no such field on this side. */
function shown(value: Json | undefined): string | null {
  if (value === undefined) return null;
  const compact = JSON.stringify(value);
  return typeof value !== "string" && compact.length <= SHORT ? compact : readable(value);
}

function words(change: JsonObject): string {
  const step = change.step as JsonObject | undefined;
  return `${String(change.type ?? "change").replaceAll("_", " ")}: ${String(change.stepId ?? step?.id ?? "")}`;
}
