// What the chat column shows, in order: messages (by id; their text is in the fold), thinking, tools, questions,
// proposals and how runs ended. Pure, like the fold, for the same reason. Caller: the journal.
import type { State } from "./fold";
import type { ExecutionNode, InputRequest, Json, JsonObject, LogEvent, Proposal, RunResult, Side } from "./wire";

/** steered: the user said it while the run was at work, and the run has taken it in. */
export interface Said {
  kind: "message";
  id: string;
  side?: Side | undefined;
  steered?: boolean;
}

export interface Thought {
  kind: "thinking";
  id: string;
  runId: string | null;
  side: Side | undefined;
  lines: string[];
}

export interface Tool {
  kind: "tool";
  id: string;
  runId: string | null;
  side: Side | undefined;
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

/** A rejection with a version takes back what had been applied. */
export interface Decision {
  verdict: "applied" | "rejected";
  by: string;
  version: number | undefined;
}

export interface Proposed {
  kind: "proposal";
  id: string;
  proposal: Proposal;
  decision: Decision | null;
}

export interface Notice {
  kind: "notice";
  id: string;
  tone: "info" | "warning" | "error";
  text: string;
  details: Detail[];
}

/** account: the step that is said to be without its outside account. */
export interface Detail {
  text: string;
  account: string | null;
}

export type Item =
  | Said
  | Thought
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

const LIMIT =
  "The run stopped at its limit of steps, tokens or time. What is done so far is kept; write “go on” to continue.";

/** The timeline after `event`. active: the run that was at work when it came. */
export function extend(timeline: Timeline, event: LogEvent, active: string | null): Timeline {
  const { items } = timeline;
  const add = (item: Item): Timeline => ({ ...timeline, items: [...items, item] });
  switch (event.type) {
    case "message.user":
      return add({ kind: "message", id: event.data.messageId, steered: active !== null && event.runId === active });
    case "message.started":
      return add({ kind: "message", id: event.data.messageId, side: event.agentVersion });
    case "run.started":
      return {
        ...timeline,
        model: event.data.model || timeline.model,
        nodes: event.data.kind === "execution" ? {} : timeline.nodes,
      };
    case "run.restarted":
      return add(notice(event, "info", `Another worker took the run over and begins it again (attempt ${event.data.attempt}).`));
    case "thinking":
      return think(timeline, event, event.data.text);
    case "tool.started": {
      const { name, args } = event.data;
      const started = { id: callId(event), runId: event.runId ?? null, side: event.agentVersion, name, args };
      return add({ kind: "tool", ...started, status: "running", result: null, error: null, durationMs: null });
    }
    case "tool.finished": {
      const { ok, result = null, error = null, durationMs = null } = event.data;
      return change(timeline, "tool", callId(event), { status: ok ? "ok" : "failed", result, error, durationMs });
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
    case "proposal.rejected":
      return decide(timeline, event);
    case "execution.node":
      return { ...timeline, nodes: { ...timeline.nodes, [event.data.nodeId]: event.data } };
    case "run.finished":
      return finish(timeline, event);
    case "run.failed":
      return {
        ...timeline,
        items: [...stopTools(timeline.items), notice(event, "error", event.data.message, [plain(event.data.code)])],
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

/** A decision in words. */
export function decided({ verdict, by, version }: Decision): string {
  if (verdict === "applied") return `Applied by user ${by}${version === undefined ? "" : `: version ${version}`}.`;
  return version === undefined ? `Rejected by user ${by}.` : `Taken back by user ${by}: version ${version}.`;
}

/** Without its proposal here, it was made in another conversation about the same workflow. */
function decide(timeline: Timeline, event: Extract<LogEvent, { type: "proposal.applied" | "proposal.rejected" }>): Timeline {
  const { proposalId, by, version } = event.data;
  const decision: Decision = { verdict: event.type === "proposal.applied" ? "applied" : "rejected", by, version };
  const changed = change(timeline, "proposal", proposalId, { decision });
  if (changed !== timeline) return changed;
  const words = `Changes proposed elsewhere: ${decided(decision)}`;
  return { ...timeline, items: [...timeline.items, notice(event, "info", words)] };
}

/** Two sides may name their calls alike. */
function callId(event: Extract<LogEvent, { type: "tool.started" | "tool.finished" }>): string {
  const { toolCallId } = event.data;
  return event.agentVersion ? `${event.agentVersion}-${toolCallId}` : toolCallId;
}

function think(timeline: Timeline, event: LogEvent, text: string): Timeline {
  const runId = event.runId ?? null;
  const side = event.agentVersion;
  const newest = timeline.items.at(-1);
  if (newest?.kind === "thinking" && newest.runId === runId && newest.side === side) {
    const grown: Item = { ...newest, lines: [...newest.lines, text] };
    return { ...timeline, items: timeline.items.with(-1, grown) };
  }
  return { ...timeline, items: [...timeline.items, { kind: "thinking", id: `event-${event.index}`, runId, side, lines: [text] }] };
}

function finish(timeline: Timeline, event: Extract<LogEvent, { type: "run.finished" }>): Timeline {
  const details = shortcomings(event.data.result);
  const results = event.data.result?.results;
  const adopted = results?.v1 && !results.v2;
  const items = stopTools(timeline.items);
  if (adopted) items.push({ ...notice(event, "warning", "v2 failed: what counts is v1's answer."), id: `adopted-${event.index}` });
  switch (event.data.outcome) {
    case "cancelled":
      return { ...timeline, items: [...items, notice(event, "info", "Stopped.")] };
    case "limit":
      return { ...timeline, items: [...items, notice(event, "warning", LIMIT, details)] };
    default:
      return {
        ...timeline,
        items: details.length ? [...items, notice(event, "warning", "Still needed from you:", details)] : items,
      };
  }
}

function shortcomings(result: RunResult | undefined): Detail[] {
  const fields = (result?.incompleteFields ?? []).map(({ nodeId, field, message }) => {
    return field === ACCOUNT ? { text: `${nodeId}: ${message}`, account: nodeId } : plain(`${nodeId}.${field}: ${message}`);
  });
  const faults = (result?.validationErrors ?? []).map((item) =>
    plain(item.nodeId ? `${item.nodeId}: ${item.message}` : item.message),
  );
  return [...fields, ...faults];
}

/** The member of a node that names its outside account. */
const ACCOUNT = "connector";

function plain(text: string): Detail {
  return { text, account: null };
}

function stopTools(items: readonly Item[]): Item[] {
  return items.map((item) => (item.kind === "tool" && item.status === "running" ? { ...item, status: "stopped" } : item));
}

function notice(event: LogEvent, tone: Notice["tone"], text: string, details: Detail[] = []): Notice {
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
