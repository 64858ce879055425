// The raw log: the newest events as they came, for those who build on the protocol. Rows are made only while it is open.
import { h, setText } from "../dom";
import { RECENT_EVENTS } from "../journal";
import type { LogEvent } from "../wire";
import { badge } from "./rows";

const LONGEST_LINE = 2_000;

export class EventList {
  readonly element: HTMLElement;
  readonly #rows = h("ol", { class: "events", "data-testid": "events" });
  readonly #count = h("span", { class: "muted small", "data-testid": "event-count" });
  readonly #scroller = h("div", { class: "scroller", tabindex: 0, role: "region", "aria-label": "Raw events" }, this.#rows);
  #shown = 0;
  #source: readonly LogEvent[] = [];

  constructor() {
    this.element = h("section", { class: "eventlist", hidden: true, "aria-labelledby": "events-title", id: "events" },
      h("div", { class: "bar" }, h("h2", { id: "events-title" }, "Events"), this.#count),
      this.#scroller);
  }

  get open(): boolean {
    return !this.element.hidden;
  }

  toggle(events: readonly LogEvent[]): boolean {
    this.element.hidden = !this.element.hidden;
    this.render(events);
    if (this.open) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    return this.open;
  }

  render(events: readonly LogEvent[]): void {
    if (!this.open) return;
    if (events !== this.#source) {
      this.#rows.replaceChildren();
      this.#shown = 0;
      this.#source = events;
    }
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    const atEnd = scrollHeight - scrollTop - clientHeight < 40;
    const fresh = events.filter((event) => event.index > this.#shown);
    this.#rows.append(...fresh.map(line));
    this.#shown = events.at(-1)?.index ?? 0;
    while (this.#rows.childElementCount > RECENT_EVENTS) this.#rows.firstElementChild?.remove();
    setText(this.#count, `${events.length === RECENT_EVENTS ? "newest " : ""}${events.length}`);
    if (atEnd) this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }
}

function line(event: LogEvent): HTMLElement {
  const json = JSON.stringify({ ...(event.runId && { runId: event.runId }), data: event.data });
  const span = event.from !== undefined ? `${event.from}–${event.index}` : String(event.index);
  return h("li", { "data-testid": "event", "data-index": event.index, "data-type": event.type },
    h("span", { class: "index" }, span), h("span", { class: "type" }, event.type, badge(event.agentVersion)),
    h("time", { datetime: event.ts }, event.ts.slice(11, 23)),
    h("code", {}, json.length > LONGEST_LINE ? `${json.slice(0, LONGEST_LINE)}…` : json));
}
