// Messages on their way: each has a requestId for life, so sending it again never starts a second run.
// Invariant: an entry leaves when the log holds its message (`settle`) or the visitor discards it.
// Callers: the composer (add), the page (flush on ready, settle on message.user).
import { newId } from "./identity";
import type { Ack, WhenBusy } from "./wire";

export interface Outgoing {
  readonly requestId: string;
  readonly text: string;
  /** Part of the request from the start: the same requestId must always carry the same body. */
  readonly whenBusy: WhenBusy;
  status: "waiting" | "sending" | "accepted" | "failed";
  error: string;
  /** Which run will hold the message, as the acknowledgement says; "" before. */
  runId: string;
}

/** Where a message on its way stands, in words. active: the run at work now. */
export function whereabouts(entry: Outgoing, active: string | null): string {
  switch (entry.status) {
    case "waiting":
      return "Waiting for the connection …";
    case "sending":
      return "Sending …";
    case "failed":
      return `Not sent: ${entry.error}`;
    case "accepted":
      if (active === null) return "Sent";
      if (entry.whenBusy === "interrupt") return "Interrupting …";
      return entry.runId === active ? "Waiting to be taken in" : "Next in line";
  }
}

interface Link {
  readonly live: boolean;
  command(name: string, body: object): Promise<Ack>;
}

export class Outbox {
  entries: readonly Outgoing[] = [];

  constructor(
    private readonly link: Link,
    private readonly changed: () => void,
  ) {}

  add(text: string, whenBusy: WhenBusy): void {
    const entry: Outgoing = { requestId: newId(), text, whenBusy, status: "waiting", error: "", runId: "" };
    this.entries = [...this.entries, entry];
    this.changed();
    if (this.link.live) void this.#send(entry);
  }

  retry(requestId: string): void {
    const entry = this.entries.find((other) => other.requestId === requestId);
    if (entry && this.link.live) void this.#send(entry);
    else if (entry) this.#mark(entry, "waiting");
  }

  /** Sends what waited for a connection, or whose acknowledgement was lost with the last one. */
  flush(): void {
    for (const entry of this.entries) if (entry.status === "waiting") void this.#send(entry);
  }

  /** The log holds this message now. */
  settle(requestId: string | undefined): void {
    if (this.entries.some((entry) => entry.requestId === requestId)) this.discard(requestId!);
  }

  /** A resync names no requestIds: what was accepted is in the state it brought, or comes as an event. */
  forgetAccepted(): void {
    this.entries = this.entries.filter((entry) => entry.status !== "accepted");
    this.changed();
  }

  discard(requestId: string): void {
    this.entries = this.entries.filter((entry) => entry.requestId !== requestId);
    this.changed();
  }

  async #send(entry: Outgoing): Promise<void> {
    if (entry.status === "sending") return;
    this.#mark(entry, "sending");
    const { requestId, text, whenBusy } = entry;
    try {
      const ack = await this.link.command("message", { requestId, text, whenBusy });
      entry.runId = ack.runId ?? "";
      if (ack.ok) this.#mark(entry, "accepted");
      else this.#mark(entry, "failed", `${ack.message ?? "Refused."}${ack.code ? ` (${ack.code})` : ""}`);
    } catch {
      if (this.link.live) this.#mark(entry, "failed", "No answer from the server.");
      else this.#mark(entry, "waiting");
    }
  }

  #mark(entry: Outgoing, status: Outgoing["status"], error = ""): void {
    Object.assign(entry, { status, error });
    this.entries = [...this.entries];
    this.changed();
  }
}
