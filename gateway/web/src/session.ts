// A session, as every surface names it: a token and the address of a Socket.IO server.
import { HttpError } from "./http";

export interface Session {
  token: string;
  sessionId: string;
  socketUrl: string;
  socketPath: string;
}

/** The session in an answer. Raises HttpError. */
export function sessionOf(body: Record<string, unknown>): Session {
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
