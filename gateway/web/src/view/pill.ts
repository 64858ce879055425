// The state of the connection in a few words, with where in the log this page stands.
import { h, set, setText } from "../dom";
import type { Status } from "../connection";

const WORDS = {
  connecting: "connecting",
  live: "live",
  reconnecting: "reconnecting",
  offline: "offline",
  stopped: "disconnected",
} as const;

export class Pill {
  // Only the words are announced: the index changes with every event.
  readonly #words = h("span", { role: "status", "aria-live": "polite", "data-testid": "connection-words" }, WORDS.connecting);
  readonly #place = h("span", { class: "numbers muted" });
  readonly element = h("span", { class: "pill", "data-testid": "connection", "data-phase": "connecting" },
    h("span", { class: "dot", "aria-hidden": "true" }), this.#words, this.#place);

  render(status: Status, index: number, epoch: string): void {
    const times = status.resumed === 0 ? "" : `, recovered ${status.resumed === 1 ? "once" : `${status.resumed} times`}`;
    setText(this.#words, WORDS[status.phase] + times);
    setText(this.#place, `#${index}${epoch ? ` · ${epoch.slice(0, 6)}` : ""}`);
    set(this.element, "data-phase", status.phase);
    set(this.element, "data-index", index);
    set(this.element, "data-epoch", epoch);
    set(this.element, "data-resumed", status.resumed);
    set(this.element, "title", [
      `Connection: ${WORDS[status.phase]}${status.transport ? ` over ${status.transport}` : ""}`,
      `Last event: ${index}`, `Epoch of the log: ${epoch || "unknown"}`,
      `Came back: ${status.resumed}, by connection state recovery: ${status.recovered}`,
    ].join("\n"));
  }
}
