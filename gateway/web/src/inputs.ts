// What a workflow has to be given when it is started by hand, and what was typed, as JSON. Pure. Caller: the start form.
import type { Definition, InputField, Json } from "./wire";

export interface Field {
  key: string;
  label: string;
  type: NonNullable<InputField["type"]>;
  required: boolean;
  description: string;
  /** Prose: it gets a larger field. */
  long: boolean;
}

export const CHAT_TRIGGER = "trigger_chat";
/** What a person can start, in the order in which the server would choose. */
const BY_HAND = ["manual", CHAT_TRIGGER, "webhook", "cronjob"];

/** The triggers that can be fired by hand, the server's own choice first. */
export function triggersOf(definition: Definition): { id: string; title: string }[] {
  const named = (definition.triggerNodeIds ?? ["root"]).filter((id) => definition.nodes[id]);
  return BY_HAND.flatMap((type) => named.filter((id) => definition.nodes[id]!.type === type)).map((id) => {
    const node = definition.nodes[id]!;
    return { id, title: node.titleOverride || `${id} (${node.type})` };
  });
}

/** What the run asks for when it starts at this trigger. */
export function fieldsOf(definition: Definition, trigger: string | undefined): Field[] {
  const fields = (definition.inputSchema ?? []).map(({ key, type = "string", required = false, description = "" }) => ({
    key, label: key, type, required, description, long: false,
  }));
  const chats = trigger !== undefined && definition.nodes[trigger]?.type === CHAT_TRIGGER;
  if (!chats || fields.some(({ key }) => key === "text")) return fields;
  return [{ key: "text", label: "Message", type: "string", required: true, description: "What is said to the workflow.", long: true }, ...fields];
}

/** The typed value as the field's type; undefined: nothing was given. */
export function read(field: Field, typed: string | boolean): { value?: Json; fault?: string } {
  if (typeof typed === "boolean") return { value: typed };
  const text = field.type === "string" ? typed : typed.trim();
  if (text === "") return field.required ? { fault: "a value is needed" } : {};
  switch (field.type) {
    case "string":
      return { value: text };
    case "number": {
      const value = Number(text);
      return Number.isFinite(value) ? { value } : { fault: "expected a number" };
    }
    default:
      return parsed(field.type, text);
  }
}

function parsed(type: Field["type"], text: string): { value?: Json; fault?: string } {
  try {
    const value = JSON.parse(text) as Json;
    const fits = type === "array" ? Array.isArray(value) : typeof value === "object" && value !== null && !Array.isArray(value);
    return fits ? { value } : { fault: `expected JSON of type ${type}` };
  } catch {
    return { fault: `expected JSON of type ${type}` };
  }
}
