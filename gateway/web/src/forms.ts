// What was typed into a connector's form, as the configuration the API takes, and the API's objections put to the fields
// they are about. Pure, for the tests. Caller: the form.
import type { Connector, ConnectorForm, FormField, FormWay } from "./connectors";
import type { FieldFault } from "./http";
import type { Json, JsonObject } from "./wire";

/** The configuration: blank fields are left out, so that the API itself says what is missing. */
export function configOf(way: FormWay, typed: Readonly<Record<string, string>>): JsonObject {
  const config: JsonObject = { ...way.config };
  for (const { name, kind } of way.fields) {
    const text = typed[name] ?? "";
    if (text.trim() === "") continue;
    config[name] = valueOf(kind, text);
  }
  return config;
}

function valueOf(kind: FormWay["fields"][number]["kind"], text: string): Json {
  switch (kind) {
    case "number":
      return Number.isFinite(Number(text)) ? Number(text) : text;
    case "list":
      return text.split(/[\s,]+/).filter(Boolean);
    case "text":
      return text;
    default:
      return text.trim();
  }
}

/** Field → what the API says about it; "": about none of them alone. */
export function placed(faults: readonly FieldFault[], way: FormWay, typed: Readonly<Record<string, string>>): Map<string, string> {
  const found = new Map<string, string>();
  // What is wrong with the whole of it is wrong with its only field, or with the only one that was left blank.
  const blank = way.fields.filter(({ name, required }) => required && !typed[name]?.trim());
  const [suspect, ...others] = way.fields.length === 1 ? way.fields : blank;
  for (const { field, message } of faults) {
    const [top, name = ""] = field.split(".");
    let place = top === "name" ? "name" : way.fields.some((other) => other.name === name) ? name : "";
    if (field === "config" && suspect && others.length === 0) place = suspect.name;
    const before = found.get(place);
    found.set(place, before ? `${before}; ${message}` : message);
  }
  return found;
}

/** Which way an account is made, and what of its fields is known: never a secret, and of an address not all. */
export function known(form: ConnectorForm, { config }: Pick<Connector, "config">): { way: number; values: Record<string, string> } {
  const way = form.ways.findIndex(({ name, config: fixed }) => config.kind === name || named(fixed, config));
  const chosen = form.ways[Math.max(0, way)]!;
  const shown = chosen.fields.filter((field) => whole(field) && config[field.name] != null);
  return { way: Math.max(0, way), values: Object.fromEntries(shown.map(({ name }) => [name, [config[name]].flat().join(", ")])) };
}

function named(fixed: JsonObject, config: Connector["config"]): boolean {
  const entries = Object.entries(fixed);
  return entries.length > 0 && entries.every(([name, value]) => config[name] === value);
}

function whole({ secret, kind }: FormField): boolean {
  return !secret && kind !== "url";
}

/** A name that no other account of the type has: its title, or with 2, 3, … after it. */
export function freeName(title: string, taken: readonly string[]): string {
  const stem = title.toLowerCase();
  let name = stem;
  for (let count = 2; taken.includes(name); count += 1) name = `${stem} ${count}`;
  return name;
}

/** What an account shows of itself, in a line. */
export function summary(config: Readonly<Record<string, Json>>): string {
  const values = Object.values(config).flatMap((value) => (Array.isArray(value) ? value : [value]));
  return values.filter((value) => value !== null && value !== "").map((value) => String(value).replace(/^https:\/\//, "")).join(" · ");
}
