// The HTTP half: POST /v1/ai/workflow/chat/stream with agentVersion v3 answers with a session token and the address of
// a Socket.IO server. Callers: sign-in, the connection (renewal), sign-out.

const REQUEST_TIMEOUT_MS = 15_000;
const CHAT = "/v1/ai/workflow/chat/stream";

export interface Session {
  token: string;
  sessionId: string;
  socketUrl: string;
  socketPath: string;
}

/** An answer that is no success, or none at all (status 0). */
export class HttpError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly retryAfterMs = 0,
  ) {
    super(message);
  }
}

/** A session for one conversation. Raises HttpError. */
export async function issueSession(key: string, conversationId: string): Promise<Session> {
  const timezone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  const body = await call("POST", CHAT, key, { agentVersion: "v3", conversationId, timezone });
  const fields = { ...(body.data as Record<string, unknown> | undefined), ...body } as Record<string, unknown>;
  if (typeof fields.sessionToken !== "string" || typeof fields.socketUrl !== "string") {
    throw new HttpError(502, "The answer holds no session: expected sessionToken and socketUrl.");
  }
  return {
    token: fields.sessionToken,
    socketUrl: fields.socketUrl,
    socketPath: typeof fields.socketPath === "string" ? fields.socketPath : "/socket.io/",
    sessionId: String(fields.sessionId ?? ""),
  };
}

/** Revokes a session, so that its token is worth nothing after sign-out. */
export async function revokeSession(key: string, sessionId: string): Promise<void> {
  await call("DELETE", `/v1/ai/sessions/${encodeURIComponent(sessionId)}`, key);
}

async function call(method: string, path: string, key: string, body?: object): Promise<Record<string, unknown>> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: { Authorization: `Bearer ${key}`, ...(body && { "Content-Type": "application/json" }) },
      ...(body && { body: JSON.stringify(body) }),
      credentials: "omit",
      keepalive: method === "DELETE",
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
  } catch (cause) {
    throw new HttpError(0, cause instanceof DOMException ? "The server gave no answer in time." : "The server cannot be reached.");
  }
  const text = await response.text().catch(() => "");
  const value = parse(text);
  if (!response.ok) throw refusal(response, value);
  return value;
}

function refusal(response: Response, value: Record<string, unknown>): HttpError {
  const details = Array.isArray(value.details)
    ? value.details.map((item: { field?: string; message?: string }) => `${item.field ?? ""}: ${item.message ?? ""}`)
    : [];
  const said = typeof value.message === "string" ? value.message : response.statusText || "request refused";
  const message = [`${said} (HTTP ${response.status})`, ...details].join(" · ");
  return new HttpError(response.status, message, Number(response.headers.get("Retry-After") ?? 0) * 1000 || 0);
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text || "{}");
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
