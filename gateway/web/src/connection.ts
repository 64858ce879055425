// Keeps one conversation's socket alive: issues sessions, connects with the cursor, renews tokens, comes back.
// Invariant: at most one socket and one retry timer; after `close` no hook is called any more.
// The network's failures are retried by socket.io-client itself; what the server refuses or ends is decided here.
import { io, type Socket } from "socket.io-client";
import { HttpError } from "./http";
import type { Session } from "./session";
import type { Ack, Ended, LogEvent, Ready, Resync } from "./wire";

const COMMAND_TIMEOUT_MS = 10_000;
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 15_000;
/** Failed connects before another session is asked for: the server it names may be gone for good. */
const FAILURES_BEFORE_RENEWAL = 3;

export type Phase = "connecting" | "live" | "reconnecting" | "offline" | "stopped";

export interface Status {
  phase: Phase;
  /** Times the connection came back since the conversation was opened; and those by connection state recovery. */
  resumed: number;
  recovered: number;
  transport: string;
}

export interface Hooks {
  ready(packet: Ready): void;
  event(event: LogEvent): void;
  resync(packet: Resync): void;
  head(packet: { index: number; epoch: string }): void;
  status(status: Status): void;
  /** Something to tell the visitor; "" takes it back. */
  trouble(message: string): void;
  /** The login or the API key is no longer accepted. */
  refused(message: string): void;
}

export class Connection {
  #socket: Socket | null = null;
  #session: Session | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #status: Status = { phase: "connecting", resumed: 0, recovered: 0, transport: "" };
  #failures = 0;
  #renewing = false;
  #leaving = false;
  #everReady = false;
  #closed = false;

  constructor(
    private readonly issue: () => Promise<Session>,
    private readonly cursor: () => { lastEventIndex: number; epoch: string },
    private readonly hooks: Hooks,
  ) {
    window.addEventListener("online", this.#wake);
    window.addEventListener("offline", this.#wake);
  }

  get live(): boolean {
    return this.#status.phase === "live";
  }

  get sessionId(): string {
    return this.#session?.sessionId ?? "";
  }

  /** Connects; `session` saves a request when there is one already. */
  start(session?: Session): void {
    this.#phase(this.#everReady ? "reconnecting" : "connecting");
    if (session) this.#attach(session);
    else void this.#renew();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    window.removeEventListener("online", this.#wake);
    window.removeEventListener("offline", this.#wake);
    this.#drop();
  }

  /** Sends a command and waits for its acknowledgement. Raises Error when there is none in time. */
  async command(name: string, body: object): Promise<Ack> {
    const socket = this.#socket;
    if (!socket || !this.live) throw new Error("Not connected.");
    return (await socket.timeout(COMMAND_TIMEOUT_MS).emitWithAck(name, body)) as Ack;
  }

  async #renew(): Promise<void> {
    if (this.#renewing || this.#closed) return;
    this.#renewing = true;
    try {
      const session = await this.issue();
      if (!this.#closed) this.#attach(session);
    } catch (error) {
      if (!this.#closed) this.#notIssued(error);
    } finally {
      this.#renewing = false;
    }
  }

  #notIssued(error: unknown): void {
    if (!(error instanceof HttpError)) throw error;
    if (error.status === 401) return this.hooks.refused(error.message);
    this.hooks.trouble(error.message);
    const lasting = error.status >= 400 && error.status < 500 && error.status !== 429 && error.status !== 408;
    if (lasting) return this.#stop();
    this.#failures += 1;
    this.#phase(this.#everReady ? "reconnecting" : "connecting");
    this.#later(() => void this.#renew(), error.retryAfterMs);
  }

  #attach(session: Session): void {
    const old = this.#session;
    this.#session = session;
    const same = old?.socketUrl === session.socketUrl && old.socketPath === session.socketPath;
    // The same Socket object keeps the offset that connection state recovery needs.
    if (this.#socket && same) {
      this.#socket.connect();
      return;
    }
    this.#drop();
    this.#socket = io(new URL(session.socketUrl, location.href).origin, {
      path: session.socketPath,
      forceNew: true,
      autoConnect: false,
      auth: (send) => send({ token: this.#session?.token, ...this.cursor() }),
    });
    this.#listen(this.#socket);
    this.#socket.connect();
  }

  #drop(): void {
    this.#socket?.off();
    this.#socket?.disconnect();
    this.#socket = null;
  }

  #listen(socket: Socket): void {
    socket.on("ready", (packet: Ready) => this.#ready(socket, packet));
    // The offset that follows the event is read by socket.io-client itself.
    socket.on("event", (event: LogEvent) => this.hooks.event(event));
    socket.on("resync", (packet: Resync) => this.hooks.resync(packet));
    socket.on("head", (packet: { index: number; epoch: string }) => this.hooks.head(packet));
    socket.on("expiring", () => void this.#refresh());
    socket.on("draining", () => (this.#leaving = true));
    socket.on("ended", ({ reason }: { reason: Ended }) => this.#ended(reason));
    socket.on("connect_error", (error: Error & { data?: { code?: string } }) => this.#notConnected(socket, error));
    socket.on("disconnect", (reason) => this.#disconnected(reason));
  }

  #ready(socket: Socket, packet: Ready): void {
    this.#failures = 0;
    this.#leaving = false;
    clearTimeout(this.#timer);
    this.#status.resumed += this.#everReady ? 1 : 0;
    this.#status.recovered += socket.recovered ? 1 : 0;
    this.#everReady = true;
    const engine = socket.io.engine;
    this.#status.transport = engine.transport.name;
    engine.once("upgrade", (transport: { name: string }) => {
      this.#status.transport = transport.name;
      this.#phase(this.#status.phase);
    });
    this.hooks.trouble("");
    this.#phase("live");
    this.hooks.ready(packet);
  }

  async #refresh(): Promise<void> {
    try {
      const session = await this.issue();
      if (this.#closed || !this.#session) return;
      // Only the token is taken over: the socket stays where it is.
      this.#session = { ...this.#session, token: session.token, sessionId: session.sessionId };
      const ack = await this.command("refresh", { token: session.token });
      if (!ack.ok) this.hooks.trouble(ack.message ?? "The session could not be prolonged.");
    } catch {
      // The token runs out, `ended` follows, and a new session is issued then.
    }
  }

  #ended(reason: Ended): void {
    if (reason === "revoked" || reason === "replaced") {
      this.hooks.trouble(`This session was ${reason}.`);
      this.#drop();
      this.#stop();
      return;
    }
    this.#leaving = true;
  }

  #notConnected(socket: Socket, error: Error & { data?: { code?: string } }): void {
    this.#failures += 1;
    this.#phase(this.#everReady ? "reconnecting" : "connecting");
    const code = error.data?.code ?? "";
    if (socket.active) {
      if (this.#failures % FAILURES_BEFORE_RENEWAL === 0) void this.#renew();
      return;
    }
    this.hooks.trouble(`${error.message}${code ? ` (${code})` : ""}`);
    if (code === "TOKEN_REVOKED" || code === "FORBIDDEN" || code === "SCOPE_NEEDED") return this.#stop();
    this.#later(() => void this.#renew());
  }

  #disconnected(reason: string): void {
    if (reason === "io client disconnect") return;
    this.#phase("reconnecting");
    if (this.#leaving) {
      this.#drop();
      this.#later(() => void this.#renew());
    } else if (reason === "io server disconnect") {
      // socket.io-client takes this for final; here only `ended` is.
      this.#failures += 1;
      this.#later(() => void this.#renew());
    }
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#phase("stopped");
  }

  /** One retry, later each time: 0.5 s, 1 s, 2 s … 15 s, ± 25 %. */
  #later(action: () => void, atLeastMs = 0): void {
    clearTimeout(this.#timer);
    const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.max(0, this.#failures - 1));
    this.#timer = setTimeout(action, Math.max(atLeastMs, delay * (0.75 + Math.random() / 2)));
  }

  #wake = (): void => {
    const { phase } = this.#status;
    if (phase === "live" || phase === "stopped") return;
    this.#phase(phase === "connecting" ? "connecting" : "reconnecting");
    if (!navigator.onLine) return;
    this.#failures = 0;
    this.#later(() => void this.#renew());
  };

  #phase(phase: Phase): void {
    const away = (phase === "connecting" || phase === "reconnecting") && !navigator.onLine;
    const wanted = away ? "offline" : phase;
    this.#status.phase = wanted;
    this.hooks.status({ ...this.#status });
  }
}
