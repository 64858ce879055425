// What the chat column shows, in order: messages (by id; their text is in the fold), thinking, tools, questions,
// proposals and how runs ended. Pure, like the fold, for the same reason. Caller: the journal.
import type { State } from "./fold";
import type { ExecutionNode, InputRequest, Json, JsonObject, LogEvent, RunResult } from "./wire";

export interface Tool {
  kind: "tool";
  id: string;
  runId: string | null;
  name: string;
  args: JsonObject;
  status: "running" | "ok" | "failed" | "stopped";
  result: Json;
  error: string | null;
  durationMs: number | null;
}

export interface Asked {
  kind: "input";
  id: string;
  request: InputRequest;
  resolution: { by: string; value: Json } | "expired" | null;
}

export interface Proposed {
  kind: "proposal";
  id: string;
  proposal: JsonObject;
  decision: { verdict: "applied" | "rejected"; by: string } | null;
}

export interface Notice {
  kind: "notice";
  id: string;
  tone: "info" | "warning" | "error";
  text: string;
  details: string[];
}

export type Item =
  | { kind: "message"; id: string }
  | { kind: "thinking"; id: string; runId: string | null; lines: string[] }
  | Tool
  | Asked
  | Proposed
  | Notice;

export interface Timeline {
  readonly items: readonly Item[];
  /** Node id → its state in the newest execution. */
  readonly nodes: Readonly<Record<string, ExecutionNode>>;
  readonly model: string;
}

export const BLANK: Timeline = { items: [], nodes: {}, model: "" };

/** The timeline after `event`. */
export function extend(timeline: Timeline, event: LogEvent): Timeline {
  const { items } = timeline;
  const add = (item: Item): Timeline => ({ ...timeline, items: [...items, item] });
  switch (event.type) {
    case "message.user":
    case "message.started":
      return add({ kind: "message", id: event.data.messageId });
    case "run.started":
      return {
        ...timeline,
        model: event.data.model || timeline.model,
        nodes: event.data.kind === "execution" ? {} : timeline.nodes,
      };
    case "run.restarted":
      return add(notice(event, "info", `The run was taken over (attempt ${event.data.attempt}) and goes on.`));
    case "thinking":
      return think(timeline, event, event.data.text);
    case "tool.started": {
      const { toolCallId: id, name, args } = event.data;
      const runId = event.runId ?? null;
      return add({ kind: "tool", id, runId, name, args, status: "running", result: null, error: null, durationMs: null });
    }
    case "tool.finished": {
      const { toolCallId, ok, result = null, error = null, durationMs = null } = event.data;
      return change(timeline, "tool", toolCallId, { status: ok ? "ok" : "failed", result, error, durationMs });
    }
    case "input.requested":
      return add({ kind: "input", id: event.data.inputId, request: event.data, resolution: null });
    case "input.resolved": {
      const { inputId, by, value = null } = event.data;
      return change(timeline, "input", inputId, { resolution: { by, value } });
    }
    case "input.expired":
      return change(timeline, "input", event.data.inputId, { resolution: "expired" });
    case "proposal.created": {
      const { proposal } = event.data;
      return add({ kind: "proposal", id: String(proposal.id ?? event.index), proposal, decision: null });
    }
    case "proposal.applied":
    case "proposal.rejected": {
      const verdict = event.type === "proposal.applied" ? "applied" : "rejected";
      return change(timeline, "proposal", event.data.proposalId, { decision: { verdict, by: event.data.by } });
    }
    case "execution.node":
      return { ...timeline, nodes: { ...timeline.nodes, [event.data.nodeId]: event.data } };
    case "run.finished":
      return finish(timeline, event);
    case "run.failed":
      return {
        ...timeline,
        items: [...stopTools(timeline.items), notice(event, "error", event.data.message, [event.data.code])],
      };
    case "conversation.cleared":
      return { ...timeline, items: [] };
    default:
      return timeline;
  }
}

/** The timeline of a state whose events are gone. */
export function outline(state: State): Timeline {
  const messages: Item[] = state.messages.map(({ id }) => ({ kind: "message", id }));
  const inputs: Item[] = Object.values(state.inputs).map((request) => ({
    kind: "input",
    id: request.inputId,
    request,
    resolution: null,
  }));
  return { ...BLANK, items: [...messages, ...inputs] };
}

function think(timeline: Timeline, event: LogEvent, text: string): Timeline {
  const runId = event.runId ?? null;
  const newest = timeline.items.at(-1);
  if (newest?.kind === "thinking" && newest.runId === runId) {
    const grown: Item = { ...newest, lines: [...newest.lines, text] };
    return { ...timeline, items: timeline.items.with(-1, grown) };
  }
  return { ...timeline, items: [...timeline.items, { kind: "thinking", id: `event-${event.index}`, runId, lines: [text] }] };
}

function finish(timeline: Timeline, event: Extract<LogEvent, { type: "run.finished" }>): Timeline {
  const items = stopTools(timeline.items);
  const details = shortcomings(event.data.result);
  switch (event.data.outcome) {
    case "cancelled":
      return { ...timeline, items: [...items, notice(event, "info", "Stopped.")] };
    case "limit":
      return { ...timeline, items: [...items, notice(event, "warning", "The run reached its limit.", details)] };
    default:
      return {
        ...timeline,
        items: details.length ? [...items, notice(event, "warning", "Still needed from you:", details)] : items,
      };
  }
}

function shortcomings(result: RunResult | undefined): string[] {
  const fields = (result?.incompleteFields ?? []).map((item) => `${item.nodeId}.${item.field}: ${item.message}`);
  const faults = (result?.validationErrors ?? []).map((item) =>
    item.nodeId ? `${item.nodeId}: ${item.message}` : item.message,
  );
  return [...fields, ...faults];
}

function stopTools(items: readonly Item[]): Item[] {
  return items.map((item) => (item.kind === "tool" && item.status === "running" ? { ...item, status: "stopped" } : item));
}

function notice(event: LogEvent, tone: Notice["tone"], text: string, details: string[] = []): Notice {
  return { kind: "notice", id: `event-${event.index}`, tone, text, details };
}

function change<K extends Item["kind"]>(
  timeline: Timeline,
  kind: K,
  id: string,
  part: Partial<Extract<Item, { kind: K }>>,
): Timeline {
  const position = timeline.items.findLastIndex((item) => item.kind === kind && item.id === id);
  const old = timeline.items[position];
  return old ? { ...timeline, items: timeline.items.with(position, { ...old, ...part } as Item) } : timeline;
}
