// The protocol's shapes as this page reads them: events, control packets, acknowledgements.
// Readers ignore unknown types and unknown members, so only what the page uses is named.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export type Mode = "planning" | "building" | "repair" | "conversation";

/** Which side of a run with agentVersion `both` says an event. */
export type Side = "v1" | "v2";

/** What a message does while a run is active. */
export type WhenBusy = "steer" | "queue" | "interrupt";

export interface Image {
  url: string;
  mediaType?: string;
}

export interface InputRequest {
  inputId: string;
  kind: "question" | "plan" | "template";
  body: JsonObject;
  expiresAt?: string;
}

export interface RunResult {
  type?: string;
  workflow?: Definition | null;
  message?: string;
  incompleteFields?: { nodeId: string; field: string; message: string }[];
  validationErrors?: { nodeId?: string | null; message: string }[];
  /** Of an execution: what its last step gave. */
  output?: Json;
  /** Of a run with two sides: what each of them came to; a side that failed is absent. */
  results?: Partial<Record<Side, RunResult>>;
}

/** Changes to a workflow that somebody has to decide on. */
export interface Proposal {
  id?: string;
  status?: string;
  baseVersion?: number;
  /** A line a change. */
  summary?: string;
  changes?: JsonObject[];
  /** The fields that differ; `change` is the position of the change. */
  diff?: { change: number; stepId: string; field: string; before?: Json; after?: Json }[];
  issues?: { message?: string }[];
  expiresAt?: string;
}

export interface WorkflowNode {
  type: string;
  payload?: JsonObject;
  children?: string[];
  loopBody?: string[];
  branch?: string;
  description?: string;
  titleOverride?: string;
}

export interface InputField {
  key: string;
  type?: "string" | "number" | "boolean" | "object" | "array";
  required?: boolean;
  description?: string;
}

export interface Definition {
  nodes: Record<string, WorkflowNode>;
  triggerNodeIds?: string[];
  inputSchema?: InputField[];
  [key: string]: unknown;
}

/** Event type → its `data`. */
export interface EventData {
  "message.user": { messageId: string; text: string; images?: Image[]; requestId?: string };
  "run.started": { requestId?: string; kind?: string; mode?: Mode; model?: string; attempt?: number };
  "run.restarted": { attempt: number; keepThrough: number };
  "mode.selected": { mode: Mode; reason: string };
  thinking: { text: string };
  "message.started": { messageId: string };
  "message.delta": { messageId: string; text: string };
  "message.completed": { messageId: string; text: string };
  "tool.started": { toolCallId: string; name: string; args: JsonObject };
  "tool.finished": { toolCallId: string; name: string; ok: boolean; result?: Json; error?: string; durationMs?: number };
  node: { action: "add" | "update" | "remove"; nodeId: string; node?: WorkflowNode | null };
  "input.requested": InputRequest;
  "input.resolved": { inputId: string; by: string; value?: Json };
  "input.expired": { inputId: string };
  "proposal.created": { proposal: Proposal };
  "proposal.applied": { proposalId: string; by: string; version?: number };
  "proposal.rejected": { proposalId: string; by: string; version?: number };
  "execution.node": ExecutionNode;
  "run.finished": { outcome: "completed" | "cancelled" | "waiting" | "limit"; result?: RunResult; usage?: JsonObject };
  "run.failed": { code: string; message: string; retryable: boolean };
  "conversation.cleared": { by: string };
}

export interface ExecutionNode {
  nodeId: string;
  status: "pending" | "running" | "success" | "failed" | "skipped" | "waiting";
  /** Iterations it belongs to, as `loop:index/…`. */
  path?: string | null;
  input?: Json;
  output?: Json;
  error?: string | null;
  durationMs?: number | null;
  label?: string | null;
}

export type EventType = keyof EventData;

interface Indexed {
  index: number;
  /** First index a merged `message.delta` stands for; absent on an ordinary event. */
  from?: number;
  ts: string;
  runId?: string;
  agentVersion?: Side;
}

/** One fact of the log. */
export type LogEvent = { [T in EventType]: Indexed & { type: T; data: EventData[T] } }[EventType];

export interface Message {
  id: string;
  role: "user" | "assistant";
  text: string;
  status: "streaming" | "completed" | "cancelled" | "failed";
  runId: string | null;
  images: readonly Image[];
  createdAt: string;
}

export interface Ready {
  sessionId: string;
  conversationId: string;
  epoch: string;
  head: number;
  replay?: { from: number; to: number; complete: boolean; reason?: string };
  run: { runId: string; status?: string } | null;
  scopes?: string[];
  expiresAt?: string;
}

/** The state in place of events that are no longer kept. */
export interface Resync {
  messages?: Partial<Message>[];
  definition?: Definition | null;
  run?: { runId: string } | null;
  inputs?: InputRequest[] | Record<string, InputRequest>;
  mode?: Mode | null;
  head: number;
  epoch?: string;
}

export interface Ack {
  ok: boolean;
  code?: string;
  message?: string;
  retryable?: boolean;
  scopeNeeded?: string;
  runId?: string;
  [key: string]: unknown;
}

export type Ended = "expired" | "revoked" | "replaced" | "drained";
