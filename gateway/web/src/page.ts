// The signed-in page: one conversation's journal, connection and outbox, its workflow's runs, and the views of them.
// Invariant: what is shown is a function of the journal, the outbox and the status; it is drawn at most once a frame.
import { Accounts, needsOf, type Need } from "./accounts";
import type { Connection, Status } from "./connection";
import { h, set, setText } from "./dom";
import { over } from "./execution";
import { Follower } from "./follower";
import type { Journal } from "./journal";
import { Outbox } from "./outbox";
import { Running } from "./running";
import type { Session } from "./session";
import type { Ack, LogEvent, Ready } from "./wire";
import type { Visitor } from "./visitor";
import { AccountsDialog } from "./view/accounts";
import { Chat } from "./view/chat";
import { Composer } from "./view/composer";
import { EventList } from "./view/events";
import { Pill } from "./view/pill";
import { Workflow } from "./view/workflow";

export interface PageActions {
  newConversation(): void;
  signOut(reason?: string): void;
}

/** After these there may be another workflow to run, or a run of it. */
const CHANGING: readonly string[] = ["run.finished", "run.failed", "proposal.applied", "proposal.rejected"];

export class Page {
  readonly element: HTMLElement;
  readonly #follower: Follower;
  readonly #running: Running;
  readonly #accounts: Accounts;
  readonly #dialog: AccountsDialog;
  readonly #outbox: Outbox;
  readonly #chat: Chat;
  readonly #composer: Composer;
  readonly #workflow: Workflow;
  readonly #events = new EventList();
  readonly #pill = new Pill();
  readonly #trouble = h("span", { "data-testid": "trouble-text" });
  readonly #banner: HTMLElement;
  readonly #mode = h("span", { class: "mode muted small ellipsis", "data-testid": "mode" });
  #status: Status = { phase: "connecting", resumed: 0, recovered: 0, transport: "" };
  #frame = 0;

  constructor(
    private readonly visitor: Visitor,
    private readonly conversation: string,
    private readonly actions: PageActions,
  ) {
    this.#follower = new Follower(() => this.visitor.session(this.conversation), {
      ready: (packet) => this.#ready(packet),
      applied: (event) => this.#applied(event),
      replaced: (restored) => {
        if (restored) this.#outbox.forgetAccepted();
        this.#running.look();
        this.#draw();
      },
      status: (status) => {
        this.#status = status;
        this.#draw();
      },
      trouble: (message) => this.say(message),
      refused: (message) => this.actions.signOut(message),
    });
    this.#running = new Running(visitor.executions, conversation, () => this.#draw(), (message) => this.actions.signOut(message));
    this.#accounts = new Accounts(visitor.connectors, () => this.#draw(), (message) => this.actions.signOut(message));
    this.#dialog = new AccountsDialog(this.#accounts, {
      connected: async ({ nodes }, { id }) => {
        // What is being built is chosen for when it is there.
        if (this.#journal.view.state.runId === null) await this.#running.connected(nodes, id);
      },
      changed: () => this.#running.look(),
      closed: () => this.#workflow.showNext(),
    });
    this.#workflow = new Workflow(this.#running, this.#accounts, (need) => this.#dialog.open(need));
    this.#outbox = new Outbox(this.#connection, () => this.#draw());
    this.#chat = new Chat({
      example: (text) => this.#send(text),
      answer: (inputId, value) => this.#connection.command("answer", { inputId, value }),
      decide: (proposalId, decision) => this.#connection.command("decide", { proposalId, decision }),
      retry: (requestId) => this.#outbox.retry(requestId),
      discard: (requestId) => this.#outbox.discard(requestId),
      connect: () => this.#connect(),
    });
    this.#composer = new Composer((text) => this.#send(text), () => void this.#cancel());
    this.#banner = this.#buildBanner();
    this.element = this.#build();
  }

  start(session?: Session): void {
    this.#connection.start(session);
    void this.#accounts.look();
    this.#draw();
    this.#composer.focus();
  }

  close(): void {
    this.#running.close();
    this.#accounts.close();
    this.#connection.close();
    cancelAnimationFrame(this.#frame);
  }

  /** Closes it and makes the session's token worthless; a server that is away is not waited for. */
  async leave(): Promise<void> {
    const { sessionId } = this.#connection;
    this.close();
    await this.visitor.leave(sessionId).catch(() => undefined);
  }

  get #connection(): Connection {
    return this.#follower.connection;
  }

  get #journal(): Journal {
    return this.#follower.journal;
  }

  #ready(packet: Ready): void {
    set(this.element, "data-scopes", (packet.scopes ?? []).join(" "));
    this.#outbox.flush();
    this.#running.look();
    this.#draw();
  }

  #applied(event: LogEvent): void {
    if (event.type === "message.user") this.#outbox.settle(event.data.requestId);
    const { execution } = this.#running;
    // What is built now is on the canvas, not in a run that is over.
    if (event.type === "node" && execution && over(execution)) void this.#running.choose(null);
    if (CHANGING.includes(event.type)) this.#running.look();
    this.#draw();
  }

  #send(text: string): void {
    this.#chat.showNewest();
    this.#outbox.add(text, this.#composer.whenBusy);
  }

  /** Something in the chat says that accounts are missing. */
  #connect(): void {
    const needs: Need[] = needsOf(this.#running.workflow?.connectors ?? []);
    const [first] = needs;
    if (!first) this.#dialog.open();
    else if (needs.length === 1 && this.#accounts.of(first.type).length === 0) this.#dialog.open(first);
    else this.#workflow.showNext();
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
    this.#workflow.render(view);
    this.#chat.render(view, this.#outbox.entries, this.#workflow.left);
    this.#dialog.render();
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
          h("button", { type: "button", "aria-haspopup": "dialog", "data-testid": "open-accounts", click: () => this.#dialog.open() }, "Accounts"),
          toggle,
          h("a", { class: "button", href: "/docs" }, "API"),
          h("button", { type: "button", "data-testid": "sign-out", click: () => this.actions.signOut() }, "Sign out"))),
      this.#banner,
      h("main", {},
        h("section", { class: "chat", "aria-label": "Chat" }, this.#chat.element, this.#composer.element),
        this.#workflow.element),
      this.#events.element, this.#dialog.element);
  }
}
