// One execution as this page knows it: what the server stores of it, and what its log tells since. Pure, for the tests.
// Invariant: a step that has ended stays ended, however often and in whatever order it is told, so a log that is read
// again from its beginning changes nothing. Caller: running.
import type { ExecutionDetails, Status } from "./executions";
import type { Asked } from "./timeline";
import type { Definition, ExecutionNode, Json, LogEvent } from "./wire";

/** One run of one node; path: the iterations it belongs to, "" outside loops. */
export interface Step {
  nodeId: string;
  path: string;
  status: ExecutionNode["status"];
  input: Json;
  output: Json;
  error: string | null;
  durationMs: number | null;
}

export interface Execution {
  readonly id: string;
  readonly version: number;
  readonly status: Status;
  readonly definition: Definition | null;
  /** In the order they began, by path and node. */
  readonly steps: ReadonlyMap<string, Step>;
  readonly asked: readonly Asked[];
  /** What it has said in the chat, by message. */
  readonly said: ReadonlyMap<string, string>;
  readonly output: Json;
  readonly error: string | null;
  readonly errorNodeId: string | null;
  readonly createdAt: string;
  readonly durationMs: number | null;
}

/** What a node has come to: its newest run, and how many there were. */
export interface NodeState extends Step {
  runs: number;
}

const ENDED: readonly string[] = ["success", "failed", "skipped"];
const OUTCOMES: Record<string, Status> = { completed: "completed", cancelled: "cancelled", limit: "failed", waiting: "waiting" };

export function over({ status }: { status: Status }): boolean {
  return status === "completed" || status === "failed" || status === "cancelled";
}

/** What the server stores, with what is known already of the same execution. */
export function stored(details: ExecutionDetails, known: Execution | null): Execution {
  const before = known?.id === details.id ? known : null;
  const { id, version, status, definition, error, errorNodeId, createdAt, durationMs } = details;
  const steps = new Map(before?.steps);
  for (const step of details.steps) note(steps, step);
  const asked = [...(before?.asked ?? [])];
  for (const request of details.waiting) {
    if (!asked.some((other) => other.id === request.inputId)) asked.push({ kind: "input", id: request.inputId, request, resolution: null });
  }
  const ended = before !== null && over(before) && !over(details);
  const end = ended
    ? { status: before.status, output: before.output, error: before.error, errorNodeId: before.errorNodeId }
    : { status: standing(status, steps), output: details.output, error, errorNodeId };
  return { id, version, definition, steps, asked, said: before?.said ?? new Map(), createdAt, durationMs, ...end };
}

/** The execution after an event of its conversation, which may be another run's. */
export function follow(execution: Execution, event: LogEvent): Execution {
  if (event.runId !== execution.id) return execution;
  switch (event.type) {
    case "run.started":
      return execution.status === "pending" ? { ...execution, status: "running" } : execution;
    case "execution.node":
      return stepped(execution, event.data);
    case "message.completed":
      return { ...execution, said: new Map(execution.said).set(event.data.messageId, event.data.text) };
    case "input.requested": {
      if (execution.asked.some(({ id }) => id === event.data.inputId)) return execution;
      return { ...execution, asked: [...execution.asked, { kind: "input", id: event.data.inputId, request: event.data, resolution: null }] };
    }
    case "input.resolved":
      return resolve(execution, event.data.inputId, { by: event.data.by, value: event.data.value ?? null });
    case "input.expired":
      return resolve(execution, event.data.inputId, "expired");
    case "run.finished": {
      const { outcome, result } = event.data;
      return { ...execution, status: OUTCOMES[outcome] ?? "completed", output: result?.output ?? null };
    }
    case "run.failed":
      return { ...execution, status: "failed", error: event.data.message, errorNodeId: failedNode(execution) };
    default:
      return execution;
  }
}

/** Node id → what it has come to. */
export function nodeStates(execution: Execution): Record<string, NodeState> {
  const states: Record<string, NodeState> = {};
  for (const step of execution.steps.values()) states[step.nodeId] = { ...step, runs: (states[step.nodeId]?.runs ?? 0) + 1 };
  return states;
}

/** Every run of a node, oldest first. */
export function runsOf(execution: Execution, nodeId: string): Step[] {
  return [...execution.steps.values()].filter((step) => step.nodeId === nodeId);
}

function stepped(execution: Execution, data: ExecutionNode): Execution {
  const steps = new Map(execution.steps);
  const { nodeId, status, path = "", input = null, output = null, error = null, durationMs = null } = data;
  if (!note(steps, { nodeId, status, path: path ?? "", input, output, error, durationMs })) return execution;
  return { ...execution, steps, status: standing(execution.status, steps) };
}

/** Steps are told sooner than how the whole stands. */
function standing(status: Status, steps: ReadonlyMap<string, Step>): Status {
  if (steps.size === 0 || over({ status })) return status;
  const states = [...steps.values()].map((step) => step.status);
  return states.includes("waiting") && !states.includes("running") ? "waiting" : "running";
}

function note(steps: Map<string, Step>, { nodeId, status, path, input, output, error, durationMs }: Step): boolean {
  const key = `${path} ${nodeId}`;
  const known = steps.get(key);
  if (known && (known.status === status || ENDED.includes(known.status))) return false;
  steps.set(key, { nodeId, status, path, input: input ?? known?.input ?? null, output, error, durationMs });
  return true;
}

function resolve(execution: Execution, inputId: string, resolution: Asked["resolution"]): Execution {
  const asked = execution.asked.map((each) => (each.id === inputId ? { ...each, resolution } : each));
  return { ...execution, asked };
}

function failedNode({ steps }: Execution): string | null {
  return [...steps.values()].findLast((step) => step.status === "failed")?.nodeId ?? null;
}
