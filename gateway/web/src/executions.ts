// Executions over HTTP, as a signed-in visitor: the workflow of a chat, kept so that it can run, and what ran.
// Every method raises HttpError. Caller: what shows them (running).
import { call } from "./http";
import { sessionOf, type Session } from "./session";
import type { Definition, ExecutionNode, InputRequest, Json, JsonObject } from "./wire";

export type Status = "pending" | "running" | "waiting" | "completed" | "failed" | "cancelled";

export interface Fault {
  type: string;
  nodeId: string | null;
  field: string | null;
  message: string;
}

/** A step's outside account: connectorId is what a run would use now, missing what is left to do. */
export interface NodeAccount {
  nodeId: string;
  type: string;
  needed: boolean;
  connectorId: string | null;
  missing: string | null;
}

/** The fault of a step that is without its account. */
export const UNCONNECTED = "connector_required";

/** workflowId: null until it is kept. faults: why it cannot run. connectors: of the steps that can have one. */
export interface ChatWorkflow {
  workflowId: string | null;
  version: number | null;
  definition: Definition | null;
  faults: readonly Fault[];
  connectors: readonly NodeAccount[];
}

export interface ExecutionSummary {
  id: string;
  workflowId: string;
  version: number;
  status: Status;
  trigger: string;
  createdAt: string;
  startedAt: string | null;
  durationMs: number | null;
  error: string | null;
  errorNodeId: string | null;
}

export interface StoredStep {
  nodeId: string;
  path: string;
  status: ExecutionNode["status"];
  label: string;
  input: Json;
  output: Json;
  error: string | null;
  durationMs: number | null;
}

export interface ExecutionDetails extends ExecutionSummary {
  output: Json;
  definition: Definition | null;
  waiting: readonly InputRequest[];
  steps: readonly StoredStep[];
}

const LAST = 10;

export class Executions {
  workflow(chat: string): Promise<ChatWorkflow> {
    return ask("GET", `/api/chats/${encodeURIComponent(chat)}/workflow`);
  }

  /** Keeps what is on the chat's canvas. */
  keep(chat: string): Promise<ChatWorkflow> {
    return ask("POST", `/api/chats/${encodeURIComponent(chat)}/workflow`);
  }

  /** Keeps it, and lets these steps use these accounts; null: none in particular. */
  connect(chat: string, connectors: Record<string, string | null>): Promise<ChatWorkflow> {
    return ask("PATCH", `/api/chats/${encodeURIComponent(chat)}/workflow`, { connectors });
  }

  start(workflow: string, triggerNodeId: string | null, inputs: JsonObject): Promise<ExecutionSummary> {
    return ask("POST", `/api/workflows/${workflow}/executions`, { inputs, ...(triggerNodeId !== null && { triggerNodeId }) });
  }

  /** The last ones, newest first. */
  async list(workflow: string): Promise<ExecutionSummary[]> {
    return (await ask<{ executions: ExecutionSummary[] }>("GET", `/api/workflows/${workflow}/executions?limit=${LAST}`)).executions;
  }

  get(id: string): Promise<ExecutionDetails> {
    return ask("GET", `/api/executions/${id}`);
  }

  cancel(id: string): Promise<ExecutionSummary> {
    return ask("POST", `/api/executions/${id}/cancel`);
  }

  answer(id: string, inputId: string, value: Json): Promise<ExecutionSummary> {
    return ask("POST", `/api/executions/${id}/answer`, { inputId, value });
  }

  /** A session on its log, and the index before its first event. */
  async session(id: string): Promise<Session & { lastEventIndex: number }> {
    const answer = await call("POST", `/api/executions/${id}/session`, null);
    const { lastEventIndex } = answer.data as { lastEventIndex: number };
    return { ...sessionOf(answer), lastEventIndex };
  }
}

async function ask<T>(method: string, path: string, body?: object): Promise<T> {
  return (await call(method, path, null, body)).data as T;
}
