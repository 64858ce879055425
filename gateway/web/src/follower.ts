// Follows one conversation's log: a connection that comes back by itself, and the journal that takes each index once.
// Invariant: holes, heads behind and another epoch all end in a replay or a resync; nobody else asks for one.
// Callers: the page (the chat), running (an execution).
import { Connection, type Status } from "./connection";
import { Journal } from "./journal";
import type { Session } from "./session";
import type { LogEvent, Ready } from "./wire";

export interface Reader {
  ready(packet: Ready): void;
  /** The journal has taken it. */
  applied(event: LogEvent): void;
  /** The journal begins anew: with the server's state (restored), or with another log. */
  replaced(restored: boolean): void;
  status(status: Status): void;
  trouble(message: string): void;
  refused(message: string): void;
}

export class Follower {
  readonly journal = new Journal();
  readonly connection: Connection;
  /** The index after which a replay is under way; -1: none. */
  #replayAfter = -1;

  constructor(
    issue: () => Promise<Session>,
    private readonly reader: Reader,
  ) {
    this.connection = new Connection(issue, () => ({ lastEventIndex: this.journal.last, epoch: this.journal.epoch }), {
      ready: (packet) => this.#ready(packet),
      event: (event) => this.#event(event),
      resync: (packet) => {
        this.journal.replace(packet);
        this.#replayAfter = -1;
        reader.replaced(true);
      },
      head: ({ index, epoch }) => {
        this.#enter(epoch);
        if (index > this.journal.last) void this.#replay();
      },
      status: (status) => {
        if (status.phase !== "live") this.#replayAfter = -1;
        reader.status(status);
      },
      trouble: (message) => reader.trouble(message),
      refused: (message) => reader.refused(message),
    });
  }

  #ready(packet: Ready): void {
    this.#replayAfter = -1;
    this.#enter(packet.epoch);
    this.reader.ready(packet);
  }

  #enter(epoch: string): void {
    if (this.journal.enter(epoch)) this.reader.replaced(false);
  }

  #event(event: LogEvent): void {
    switch (this.journal.accept(event)) {
      case "hole":
        void this.#replay();
        break;
      case "applied":
        if (this.#replayAfter >= 0 && this.journal.last > this.#replayAfter) this.#replayAfter = -1;
        this.reader.applied(event);
        break;
      case "stale":
        break;
    }
  }

  /** Asks once for what is missing; another hole behind the same index asks nothing new. */
  async #replay(): Promise<void> {
    const after = this.journal.last;
    if (this.#replayAfter === after) return;
    this.#replayAfter = after;
    try {
      const ack = await this.connection.command("replay", { after });
      if (!ack.ok) this.reader.trouble(ack.message ?? "Missing events could not be fetched.");
    } catch {
      // The next head, event or reconnect asks again.
    } finally {
      if (this.#replayAfter === after) this.#replayAfter = -1;
    }
  }
}
