// Rows of the chat column that only show: messages, thinking, tools, notices, messages on their way.
import { h, readable, set, setText } from "../dom";
import { whereabouts, type Outgoing } from "../outbox";
import type { Notice, Said, Tool } from "../timeline";
import type { Message, Side } from "../wire";

export interface Row<T> {
  readonly element: HTMLElement;
  update(value: T): void;
}

const SIDE_TITLES = { v1: "v1: shown to compare, not kept", v2: "v2: this is kept" } as const;

/** Whose event this is, on a run on which two versions of the agent work side by side. */
export function badge(side: Side | undefined): HTMLElement | null {
  return side ? h("span", { class: "badge", title: SIDE_TITLES[side], "data-testid": "badge", "data-side": side }, side) : null;
}

export class MessageRow implements Row<Message> {
  readonly element: HTMLElement;
  readonly #text = h("p", { class: "text", "data-testid": "message-text" });
  readonly #images = h("p", { class: "small", hidden: true });
  readonly #note = h("p", { class: "muted small", hidden: true });

  constructor(role: Message["role"], { side, steered }: Said) {
    const speaker = role === "user" ? "You" : "Caddie";
    this.element = h("article", { class: `message ${role}`, "aria-label": speaker, "data-testid": `message-${role}` },
      h("span", { class: "visually-hidden" }, `${speaker}: `), badge(side), this.#text, this.#images, this.#note,
      steered ? h("p", { class: "muted small", "data-testid": "steered" }, "Taken in while it worked") : null);
    set(this.element, "data-side", side);
  }

  update(message: Message): void {
    setText(this.#text, message.text);
    set(this.element, "data-status", message.status);
    // A screen reader waits for the whole text instead of speaking every delta.
    set(this.element, "aria-busy", message.status === "streaming" ? "true" : "false");
    this.#note.hidden = message.status !== "cancelled" && message.status !== "failed";
    setText(this.#note, message.status === "cancelled" ? "Stopped here." : "Broke off here.");
    this.#images.hidden = message.images.length === 0;
    this.#images.replaceChildren(...message.images.map((image, position) => imageLink(image.url, position + 1)));
  }
}

function imageLink(url: string, number: number): HTMLElement {
  const label = `Image ${number} `;
  return url.startsWith("https://") ? h("a", { href: url, rel: "noreferrer noopener", target: "_blank" }, label) : h("span", { title: url }, label);
}

export class ThinkingRow implements Row<{ lines: string[] }> {
  readonly #newest = h("span", { class: "ellipsis" });
  readonly #all = h("p", { class: "text small" });
  readonly element: HTMLElement;

  constructor(side: Side | undefined) {
    this.element = h("details", { class: "step thinking", "data-testid": "thinking" },
      h("summary", {}, h("span", { class: "mark", "aria-hidden": "true" }, "◌"), badge(side), this.#newest), this.#all);
  }

  update({ lines }: { lines: string[] }): void {
    setText(this.#newest, lines.at(-1) ?? "");
    setText(this.#all, lines.join("\n"));
  }
}

const TOOL_MARKS = { running: "⋯", ok: "✓", failed: "✕", stopped: "■" } as const;
const TOOL_WORDS = { running: "running", ok: "done", failed: "failed", stopped: "stopped" } as const;

export class ToolRow implements Row<Tool> {
  readonly #mark = h("span", { class: "mark", "aria-hidden": "true" });
  readonly #name = h("code");
  readonly #word = h("span", { class: "visually-hidden" });
  readonly #duration = h("span", { class: "muted small numbers", "data-testid": "tool-duration" });
  readonly #args = h("pre", { "data-testid": "tool-args" });
  readonly #result = h("pre", { "data-testid": "tool-result" });
  readonly #resultLabel = h("h4", {}, "Result");
  readonly element: HTMLElement;

  constructor(side: Side | undefined) {
    this.element = h("details", { class: "step tool", "data-testid": "tool" },
      h("summary", {}, this.#mark, badge(side), this.#name, this.#word, this.#duration),
      h("h4", {}, "Arguments"), this.#args, this.#resultLabel, this.#result);
  }

  update(tool: Tool): void {
    set(this.element, "data-status", tool.status);
    set(this.element, "data-tool", tool.name);
    setText(this.#mark, TOOL_MARKS[tool.status]);
    setText(this.#word, ` ${TOOL_WORDS[tool.status]} `);
    setText(this.#name, tool.name);
    setText(this.#duration, tool.durationMs === null ? "" : duration(tool.durationMs));
    setText(this.#args, readable(tool.args));
    setText(this.#resultLabel, tool.status === "failed" ? "Error" : "Result");
    setText(this.#result, tool.status === "running" ? "…" : readable(tool.status === "failed" ? tool.error : tool.result));
  }
}

/** 840 → "840 ms", 12 400 → "12.4 s". */
export function duration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

export class NoticeRow implements Row<Notice> {
  readonly #text = h("p");
  readonly #details = h("ul");
  readonly #connect: HTMLElement;
  #accounts: [string, HTMLElement][] = [];
  #left: ReadonlySet<string> | null = null;
  readonly element: HTMLElement;

  /** connect: whoever reads that accounts are missing wants to connect one. */
  constructor(connect: () => void) {
    this.#connect = h("button", { type: "button", class: "connect", "data-testid": "notice-connect", click: connect }, "Connect…");
    this.element = h("div", { class: "notice", "data-testid": "notice" }, this.#text, this.#details, this.#connect);
  }

  update(notice: Notice): void {
    set(this.element, "data-tone", notice.tone);
    set(this.element, "role", notice.tone === "error" ? "alert" : undefined);
    setText(this.#text, notice.text);
    this.#details.hidden = notice.details.length === 0;
    const rows = notice.details.map(({ text }) => h("li", {}, text));
    this.#accounts = notice.details.flatMap(({ account }, position) => (account === null ? [] : [[account, rows[position]!] as [string, HTMLElement]]));
    this.#connect.hidden = this.#accounts.length === 0;
    this.#left = null;
    this.#details.replaceChildren(...rows);
  }

  /** left: steps that are without their account; the others have one by now. */
  connected(left: ReadonlySet<string>): void {
    if (left === this.#left) return;
    this.#left = left;
    for (const [node, row] of this.#accounts) row.classList.toggle("done", !left.has(node));
    this.#connect.hidden = !this.#accounts.some(([node]) => left.has(node));
  }
}

/** active: the run at work, which the message may be waiting for. */
export interface OnItsWay {
  entry: Outgoing;
  active: string | null;
}

export class OutgoingRow implements Row<OnItsWay> {
  readonly #text = h("p", { class: "text" });
  readonly #note = h("p", { class: "muted small", "data-testid": "outgoing-note" });
  readonly #buttons: HTMLElement;
  readonly element: HTMLElement;
  #requestId = "";

  constructor(actions: { retry(requestId: string): void; discard(requestId: string): void }) {
    this.#buttons = h("p", { class: "buttons" },
      h("button", { type: "button", "data-testid": "retry", click: () => actions.retry(this.#requestId) }, "Try again"),
      h("button", { type: "button", class: "quiet", click: () => actions.discard(this.#requestId) }, "Discard"));
    this.element = h("article", { class: "message user", "aria-label": "You", "data-testid": "outgoing" },
      this.#text, this.#note, this.#buttons);
  }

  update({ entry, active }: OnItsWay): void {
    this.#requestId = entry.requestId;
    const failed = entry.status === "failed";
    set(this.element, "data-status", entry.status);
    setText(this.#text, entry.text);
    setText(this.#note, whereabouts(entry, active));
    set(this.#note, "role", failed ? "alert" : undefined);
    this.#note.classList.toggle("error", failed);
    this.#buttons.hidden = !failed;
  }
}
