// The signed-in page: one conversation's journal, connection and outbox, and the views of them.
// Invariant: what is shown is a function of the journal, the outbox and the status; it is drawn at most once a frame.
import { Connection, type Status } from "./connection";
import { h, set, setText } from "./dom";
import { Journal } from "./journal";
import { Outbox } from "./outbox";
import type { Session, Visitor } from "./session";
import type { Ack, LogEvent, Ready } from "./wire";
import { Chat } from "./view/chat";
import { Composer } from "./view/composer";
import { EventList } from "./view/events";
import { Graph } from "./view/graph";
import { Pill } from "./view/pill";

export interface PageActions {
  newConversation(): void;
  signOut(reason?: string): void;
}

export class Page {
  readonly element: HTMLElement;
  readonly #journal = new Journal();
  readonly #connection: Connection;
  readonly #outbox: Outbox;
  readonly #chat: Chat;
  readonly #composer: Composer;
  readonly #graph = new Graph();
  readonly #events = new EventList();
  readonly #pill = new Pill();
  readonly #trouble = h("span", { "data-testid": "trouble-text" });
  readonly #banner: HTMLElement;
  readonly #mode = h("span", { class: "mode muted small ellipsis", "data-testid": "mode" });
  #status: Status = { phase: "connecting", resumed: 0, recovered: 0, transport: "" };
  /** The index after which a replay is under way; -1: none. */
  #replayAfter = -1;
  #frame = 0;

  constructor(
    private readonly visitor: Visitor,
    private readonly conversation: string,
    private readonly actions: PageActions,
  ) {
    this.#connection = new Connection(
      () => this.visitor.session(this.conversation),
      () => ({ lastEventIndex: this.#journal.last, epoch: this.#journal.epoch }),
      {
        ready: (packet) => this.#ready(packet),
        event: (event) => this.#event(event),
        resync: (packet) => {
          this.#journal.replace(packet);
          this.#outbox.forgetAccepted();
          this.#replayAfter = -1;
          this.#draw();
        },
        head: ({ index, epoch }) => this.#head(index, epoch),
        status: (status) => {
          this.#status = status;
          if (status.phase !== "live") this.#replayAfter = -1;
          this.#draw();
        },
        trouble: (message) => this.say(message),
        refused: (message) => this.actions.signOut(message),
      },
    );
    this.#outbox = new Outbox(this.#connection, () => this.#draw());
    this.#chat = new Chat({
      example: (text) => this.#send(text),
      answer: (inputId, value) => this.#connection.command("answer", { inputId, value }),
      decide: (proposalId, decision) => this.#connection.command("decide", { proposalId, decision }),
      retry: (requestId) => this.#outbox.retry(requestId),
      discard: (requestId) => this.#outbox.discard(requestId),
    });
    this.#composer = new Composer((text) => this.#send(text), () => void this.#cancel());
    this.#banner = this.#buildBanner();
    this.element = this.#build();
  }

  start(session?: Session): void {
    this.#connection.start(session);
    this.#draw();
    this.#composer.focus();
  }

  close(): void {
    this.#connection.close();
    cancelAnimationFrame(this.#frame);
  }

  /** Closes it and makes the session's token worthless; a server that is away is not waited for. */
  async leave(): Promise<void> {
    const { sessionId } = this.#connection;
    this.close();
    await this.visitor.leave(sessionId).catch(() => undefined);
  }

  #ready(packet: Ready): void {
    this.#replayAfter = -1;
    this.#journal.enter(packet.epoch);
    set(this.element, "data-scopes", (packet.scopes ?? []).join(" "));
    this.#outbox.flush();
    this.#draw();
  }

  #event(event: LogEvent): void {
    switch (this.#journal.accept(event)) {
      case "hole":
        void this.#replay();
        break;
      case "applied":
        if (event.type === "message.user") this.#outbox.settle(event.data.requestId);
        if (this.#replayAfter >= 0 && this.#journal.last > this.#replayAfter) this.#replayAfter = -1;
        this.#draw();
        break;
      case "stale":
        break;
    }
  }

  #head(index: number, epoch: string): void {
    this.#journal.enter(epoch);
    if (index > this.#journal.last) void this.#replay();
    this.#draw();
  }

  /** Asks once for what is missing; another hole behind the same index asks nothing new. */
  async #replay(): Promise<void> {
    const after = this.#journal.last;
    if (this.#replayAfter === after) return;
    this.#replayAfter = after;
    try {
      const ack = await this.#connection.command("replay", { after });
      if (!ack.ok) this.say(ack.message ?? "Missing events could not be fetched.");
    } catch {
      // The next head, event or reconnect asks again.
    } finally {
      if (this.#replayAfter === after) this.#replayAfter = -1;
    }
  }

  #send(text: string): void {
    this.#chat.showNewest();
    this.#outbox.add(text, this.#composer.whenBusy);
  }

  async #cancel(): Promise<void> {
    const { runId } = this.#journal.view.state;
    if (!runId) return;
    try {
      const ack: Ack = await this.#connection.command("cancel", { runId });
      this.say(ack.ok ? "" : (ack.message ?? "The run could not be stopped."));
    } catch (error) {
      this.say(error instanceof Error ? `Not stopped: ${error.message}` : "Not stopped.");
    }
  }

  /** Tells the visitor something; "" takes it back. */
  say(message: string): void {
    setText(this.#trouble, message);
    this.#draw();
  }

  #draw(): void {
    if (this.#frame) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#render();
    });
  }

  #render(): void {
    const { view, last, epoch, recent } = this.#journal;
    this.#pill.render(this.#status, last, epoch);
    this.#chat.render(view, this.#outbox.entries);
    this.#graph.render(view);
    this.#events.render(recent);
    this.#composer.busy = view.state.runId !== null;
    set(this.element, "data-running", view.state.runId ? "true" : "false");
    const working = view.state.runId ? `working${view.timeline.model ? ` with ${view.timeline.model}` : ""}` : "";
    setText(this.#mode, [view.state.mode ?? "", working].filter(Boolean).join(" · "));
    this.#banner.classList.toggle("shown", this.#trouble.textContent !== "");
    set(this.#banner, "data-stopped", this.#status.phase === "stopped");
  }

  #buildBanner(): HTMLElement {
    return h("div", { class: "banner", role: "alert", "data-testid": "trouble" }, this.#trouble,
      h("button", { type: "button", class: "again", "data-testid": "reconnect", click: () => this.#connection.start() }, "Reconnect"),
      h("button", { type: "button", class: "quiet", "aria-label": "Dismiss", click: () => this.say("") }, "✕"));
  }

  #build(): HTMLElement {
    const toggle = h("button", { type: "button", "aria-expanded": "false", "aria-controls": "events", "data-testid": "toggle-events", click: () => set(toggle, "aria-expanded", String(this.#events.toggle(this.#journal.recent))) }, "Events");
    return h("div", { class: "page", "data-testid": "page", "data-conversation": this.conversation },
      h("header", {},
        h("img", { src: "/static/favicon.svg", alt: "", width: 26, height: 26 }),
        h("h1", {}, "Caddie"), this.#pill.element, this.#mode,
        h("nav", { "aria-label": "Page" },
          h("button", { type: "button", "data-testid": "new-conversation", click: () => this.actions.newConversation() }, "New conversation"),
          toggle,
          h("a", { class: "button", href: "/docs" }, "API"),
          h("button", { type: "button", "data-testid": "sign-out", click: () => this.actions.signOut() }, "Sign out"))),
      this.#banner,
      h("main", {},
        h("section", { class: "chat", "aria-label": "Chat" }, this.#chat.element, this.#composer.element),
        this.#graph.element),
      this.#events.element);
  }
}
