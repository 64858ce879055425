// The HTTP half: a visitor, known by the browser's cookie or by an API key, gets sessions: a token and the address of
// a Socket.IO server. Callers: sign-in, the connection (renewal), sign-out.
import { newId } from "./identity";

const REQUEST_TIMEOUT_MS = 15_000;
const CHAT = "/v1/ai/workflow/chat/stream";

export interface Session {
  token: string;
  sessionId: string;
  socketUrl: string;
  socketPath: string;
}

/** Somebody who is signed in. Every method raises HttpError. */
export interface Visitor {
  /** A session for one conversation. */
  session(conversationId: string): Promise<Session>;
  /** The id of a new conversation. */
  begin(): Promise<string>;
  /** Ends what the sign-in has begun, so that tokens already issued are worth nothing. */
  leave(sessionId: string): Promise<void>;
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

/** A visitor whom the browser's cookie names. */
export class CookieVisitor implements Visitor {
  /** Sets the cookie. Raises HttpError. */
  static async signIn(email: string, password: string): Promise<CookieVisitor> {
    await call("POST", "/api/auth/sign-in/email", null, { email, password });
    return new CookieVisitor();
  }

  async session(conversationId: string): Promise<Session> {
    return sessionOf(await call("POST", `/api/chats/${encodeURIComponent(conversationId)}/session`, null, { timezone: timezone() }));
  }

  async begin(): Promise<string> {
    const { data } = await call("POST", "/api/chats", null, { kind: "builder" });
    const id = (data as { id?: unknown } | undefined)?.id;
    if (typeof id !== "string") throw new HttpError(502, "The answer holds no conversation: expected an id.");
    return id;
  }

  async leave(): Promise<void> {
    await call("POST", "/api/auth/sign-out", null);
  }
}

/** A visitor with an API key. */
export class KeyVisitor implements Visitor {
  constructor(private readonly key: string) {}

  async session(conversationId: string): Promise<Session> {
    return sessionOf(await call("POST", CHAT, this.key, { agentVersion: "v3", conversationId, timezone: timezone() }));
  }

  /** The server makes the conversation with its first session. */
  async begin(): Promise<string> {
    return newId();
  }

  async leave(sessionId: string): Promise<void> {
    if (sessionId) await call("DELETE", `/v1/ai/sessions/${encodeURIComponent(sessionId)}`, this.key);
  }
}

function timezone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}

function sessionOf(body: Record<string, unknown>): Session {
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

/** key: goes along instead of the cookie. */
async function call(method: string, path: string, key: string | null, body?: object): Promise<Record<string, unknown>> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: { ...(key !== null && { Authorization: `Bearer ${key}` }), ...(body && { "Content-Type": "application/json" }) },
      ...(body && { body: JSON.stringify(body) }),
      credentials: key === null ? "same-origin" : "omit",
      // What ends a session has to arrive also when the page is left.
      keepalive: body === undefined,
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
