// The HTTP half's one way of asking: JSON there and back, by the browser's cookie or by an API key, and never for ever.
// Callers: visitors (sessions), executions and connectors.

const REQUEST_TIMEOUT_MS = 15_000;

/** What is wrong with a member of a body. */
export interface FieldFault {
  field: string;
  message: string;
}

/** An answer that is no success, or none at all (status 0). */
export class HttpError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly retryAfterMs = 0,
    readonly faults: readonly FieldFault[] = [],
  ) {
    super(message);
  }
}

/** key: goes along instead of the cookie. Raises HttpError. */
export async function call(
  method: string, path: string, key: string | null, body?: object, timeoutMs = REQUEST_TIMEOUT_MS,
): Promise<Record<string, unknown>> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: { ...(key !== null && { Authorization: `Bearer ${key}` }), ...(body && { "Content-Type": "application/json" }) },
      ...(body && { body: JSON.stringify(body) }),
      credentials: key === null ? "same-origin" : "omit",
      // What ends a session has to arrive also when the page is left.
      keepalive: body === undefined,
      signal: AbortSignal.timeout(timeoutMs),
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
  const faults: FieldFault[] = Array.isArray(value.details)
    ? value.details.map((item: Partial<FieldFault>) => ({ field: item.field ?? "", message: item.message ?? "" }))
    : [];
  const said = typeof value.message === "string" ? value.message : response.statusText || "request refused";
  const message = [`${said} (HTTP ${response.status})`, ...faults.map(({ field, message: text }) => `${field}: ${text}`)].join(" · ");
  return new HttpError(response.status, message, Number(response.headers.get("Retry-After") ?? 0) * 1000 || 0, faults);
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text || "{}");
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
