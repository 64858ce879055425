// The HTTP half: a visitor, known by the browser's cookie or by an API key, gets sessions: a token and the address of
// a Socket.IO server. Callers: sign-in, the connection (renewal), sign-out.
import { Connectors } from "./connectors";
import { Executions } from "./executions";
import { call, HttpError } from "./http";
import { newId } from "./identity";
import { sessionOf, type Session } from "./session";

const CHAT = "/v1/ai/workflow/chat/stream";

/** Somebody who is signed in. Every method raises HttpError. */
export interface Visitor {
  /** A session for one conversation. */
  session(conversationId: string): Promise<Session>;
  /** The id of a new conversation. */
  begin(): Promise<string>;
  /** Ends what the sign-in has begun, so that tokens already issued are worth nothing. */
  leave(sessionId: string): Promise<void>;
  /** What runs workflows; null: this visitor cannot here. */
  readonly executions: Executions | null;
  readonly connectors: Connectors;
}

/** A visitor whom the browser's cookie names. */
export class CookieVisitor implements Visitor {
  readonly executions = new Executions();
  readonly connectors = new Connectors(null);

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
  readonly executions = null;
  readonly connectors: Connectors;

  constructor(private readonly key: string) {
    this.connectors = new Connectors(key);
  }

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
