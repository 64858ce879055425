// What a log amounts to: messages, working definition, active run, open questions, mode.
// The same rules as `State.apply` in shared/fold.py, without mutation, so that an earlier state can be kept and
// returned to when a run is restarted. Caller: the journal.
import type { Definition, InputRequest, LogEvent, Message, Mode, Resync } from "./wire";

export interface State {
  readonly messages: readonly Message[];
  readonly definition: Definition | null;
  readonly runId: string | null;
  readonly mode: Mode | null;
  readonly inputs: Readonly<Record<string, InputRequest>>;
  /** Definition when the active run began, to which a failed run returns. */
  readonly before: Definition | null;
}

export const EMPTY: State = { messages: [], definition: null, runId: null, mode: null, inputs: {}, before: null };

/**
 * The state after `event`. Events must come in index order.
 *
 * Of a run on which v1 and v2 work side by side, v1's events are shown; what is kept is v2's.
 */
export function apply(state: State, event: LogEvent): State {
  return event.agentVersion === "v1" ? state : take(state, event);
}

/** v1's messages after `event`: shown beside v2's, and never part of the state. */
export function overhear(messages: State["messages"], event: LogEvent): State["messages"] {
  const ends = event.type === "run.finished" || event.type === "run.failed" || event.type === "conversation.cleared";
  const counts = event.agentVersion === "v1" || (ends && messages.length > 0);
  return counts ? take({ ...EMPTY, messages }, event).messages : messages;
}

function take(state: State, event: LogEvent): State {
  switch (event.type) {
    case "message.user": {
      const { messageId, text, images } = event.data;
      return { ...state, messages: [...state.messages, message(event, messageId, "user", text, "completed", images)] };
    }
    case "run.started":
      return { ...state, runId: event.runId ?? null, before: state.definition, mode: event.data.mode ?? state.mode };
    case "mode.selected":
      return { ...state, mode: event.data.mode };
    case "message.started":
      return {
        ...state,
        messages: [...state.messages, message(event, event.data.messageId, "assistant", "", "streaming")],
      };
    case "message.delta": {
      const { messageId, text } = event.data;
      return changeMessage(state, messageId, (old) => ({ ...old, text: old.text + text }));
    }
    case "message.completed": {
      const { messageId, text } = event.data;
      return changeMessage(state, messageId, (old) => ({ ...old, text, status: "completed" }));
    }
    case "node":
      return { ...state, definition: changeNode(state.definition, event.data) };
    case "input.requested":
      return { ...state, inputs: { ...state.inputs, [event.data.inputId]: event.data } };
    case "input.resolved":
    case "input.expired":
      return { ...state, inputs: without(state.inputs, event.data.inputId) };
    case "run.finished": {
      const ended = end(state, event.runId, event.data.outcome === "cancelled" ? "cancelled" : "completed");
      return { ...ended, definition: event.data.result?.workflow ?? state.definition };
    }
    case "run.failed":
      return { ...end(state, event.runId, "failed"), definition: state.before };
    case "conversation.cleared":
      return { ...state, messages: [] };
    default:
      return state;
  }
}

/** The state a `resync` packet carries. */
export function restore(packet: Resync): State {
  const inputs = Array.isArray(packet.inputs) ? packet.inputs : Object.values(packet.inputs ?? {});
  return {
    messages: (packet.messages ?? []).map((item, position) => ({
      id: item.id ?? `restored-${position}`,
      role: item.role ?? "assistant",
      text: item.text ?? "",
      status: item.status ?? "completed",
      runId: item.runId ?? null,
      images: item.images ?? [],
      createdAt: item.createdAt ?? "",
    })),
    definition: packet.definition ?? null,
    runId: packet.run?.runId ?? null,
    mode: packet.mode ?? null,
    inputs: Object.fromEntries(inputs.map((input) => [input.inputId, input])),
    before: packet.definition ?? null,
  };
}

function message(
  event: LogEvent,
  id: string,
  role: Message["role"],
  text: string,
  status: Message["status"],
  images: Message["images"] = [],
): Message {
  return { id, role, text, status, runId: event.runId ?? null, images, createdAt: event.ts };
}

function changeMessage(state: State, id: string, change: (old: Message) => Message): State {
  const position = state.messages.findLastIndex((item) => item.id === id);
  const old = state.messages[position];
  return old ? { ...state, messages: state.messages.with(position, change(old)) } : state;
}

function changeNode(definition: Definition | null, data: Extract<LogEvent, { type: "node" }>["data"]): Definition {
  const nodes = definition?.nodes ?? {};
  const changed = data.node ? { ...nodes, [data.nodeId]: data.node } : without(nodes, data.nodeId);
  return { ...definition, nodes: changed };
}

function end(state: State, runId: string | undefined, status: Message["status"]): State {
  const messages = state.messages.map((item) =>
    item.runId === (runId ?? null) && item.status === "streaming" ? { ...item, status } : item,
  );
  return { ...state, messages, runId: null };
}

function without<T>(record: Readonly<Record<string, T>>, key: string): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([name]) => name !== key));
}
