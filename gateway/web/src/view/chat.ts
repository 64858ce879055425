// The chat column: the timeline and the messages on their way, one keyed row each. A row is touched only when the
// object it shows is another one, so open rows stay open and selections survive while text streams in.
import { h } from "../dom";
import type { Outgoing } from "../outbox";
import type { Item } from "../timeline";
import type { View } from "../journal";
import type { Ack, Json, Message } from "../wire";
import { InputRow } from "./input";
import { MessageRow, NoticeRow, OutgoingRow, ThinkingRow, ToolRow, type OnItsWay, type Row } from "./rows";
import { ProposalRow } from "./proposal";

export const EXAMPLE =
  "Every morning at 8 fetch https://example.com/rates, and if the euro is above 1.10 post it to Slack #fx";
/** Nearer to the end than this counts as reading the newest text. */
const STICKY_PX = 80;

export interface ChatActions {
  example(text: string): void;
  answer(inputId: string, value: Json): Promise<Ack>;
  decide(proposalId: string, decision: "apply" | "reject"): Promise<Ack>;
  retry(requestId: string): void;
  discard(requestId: string): void;
  connect(): void;
}

export class Chat {
  readonly element: HTMLElement;
  readonly #list: HTMLElement;
  readonly #hint: HTMLElement;
  readonly #rows = new Map<string, { row: Row<unknown>; shown: unknown }>();
  /** The reader is at the end and stays there, whatever grows or shrinks. */
  #following = true;

  constructor(private readonly actions: ChatActions) {
    this.#list = h("div", { class: "timeline", role: "log", "aria-label": "Conversation", "data-testid": "timeline" });
    this.#hint = h("div", { class: "hint", "data-testid": "hint" },
      h("h2", {}, "What should happen, and when?"),
      h("p", { class: "muted" }, "Say it in a sentence. For example:"),
      h("button", { type: "button", class: "example", "data-testid": "example", click: () => this.actions.example(EXAMPLE) }, EXAMPLE),
    );
    this.element = h("div", { class: "scroller", tabindex: 0, "aria-label": "Messages", role: "region" }, this.#hint, this.#list);
    this.element.addEventListener("scroll", () => {
      const { scrollHeight, scrollTop, clientHeight } = this.element;
      this.#following = scrollHeight - scrollTop - clientHeight < STICKY_PX;
    }, { passive: true });
    new ResizeObserver(() => this.#follow()).observe(this.element);
  }

  /** Goes to the end, to what the visitor just sent. */
  showNewest(): void {
    this.#following = true;
    this.#follow();
  }

  /** left: steps without their outside account; null: not known right now. */
  render(view: View, outgoing: readonly Outgoing[], left: ReadonlySet<string> | null): void {
    const messages = new Map([...view.aside, ...view.state.messages].map((message) => [message.id, message]));
    const wanted: [string, unknown, () => Row<never>][] = [];
    for (const item of view.timeline.items) {
      const shown = item.kind === "message" ? messages.get(item.id) : item;
      if (shown) wanted.push([`${item.kind}:${item.id}`, shown, () => this.#create(item, shown)]);
    }
    for (const entry of outgoing) {
      // The same object changes its status in place: a copy makes the difference visible.
      const shown: OnItsWay = { entry: { ...entry }, active: view.state.runId };
      wanted.push([`out:${entry.requestId}`, shown, () => new OutgoingRow(this.actions)]);
    }
    this.#reconcile(wanted);
    if (left) for (const { row } of this.#rows.values()) if (row instanceof NoticeRow) row.connected(left);
    this.#hint.hidden = wanted.length > 0;
    this.#follow();
  }

  #follow(): void {
    if (this.#following) this.element.scrollTop = this.element.scrollHeight;
  }

  #create(item: Item, shown: Message | Item): Row<never> {
    switch (item.kind) {
      case "message":
        return new MessageRow((shown as Message).role, item);
      case "thinking":
        return new ThinkingRow(item.side);
      case "tool":
        return new ToolRow(item.side);
      case "input":
        return new InputRow(item.request, this.actions.answer);
      case "proposal":
        return new ProposalRow(item, this.actions.decide);
      case "notice":
        return new NoticeRow(this.actions.connect);
    }
  }

  #reconcile(wanted: readonly [string, unknown, () => Row<never>][]): void {
    const keys = new Set(wanted.map(([key]) => key));
    for (const [key, { row }] of this.#rows) {
      if (keys.has(key)) continue;
      row.element.remove();
      this.#rows.delete(key);
    }
    let position = this.#list.firstElementChild;
    for (const [key, shown, create] of wanted) {
      let entry = this.#rows.get(key);
      if (!entry) {
        entry = { row: create() as unknown as Row<unknown>, shown: null };
        this.#rows.set(key, entry);
      }
      if (entry.shown !== shown) {
        entry.row.update(shown);
        entry.shown = shown;
      }
      if (entry.row.element === position) position = position.nextElementSibling;
      else this.#list.insertBefore(entry.row.element, position);
    }
  }
}
