// The chosen node in full: how it is set up and, when a run is shown, what it was given and what it gave each time.
import { h, readable, set, setText } from "../dom";
import type { Step } from "../execution";
import type { Definition } from "../wire";
import { duration } from "./rows";

export class Detail {
  readonly #title = h("h3");
  readonly #state = h("p", { class: "small", "data-testid": "node-state" });
  readonly #times = h("select", { "aria-label": "Which run of this node", change: () => this.#pick(this.#times.selectedIndex) });
  readonly #error = h("p", { class: "notice", "data-tone": "error", "data-testid": "node-error" });
  readonly #input = h("pre", { tabindex: 0, "aria-label": "Input", "data-testid": "node-input" });
  readonly #output = h("pre", { tabindex: 0, "aria-label": "Output", "data-testid": "node-output" });
  readonly #ran = h("div", { class: "ran" },
    h("div", { class: "bar tight" }, this.#state, this.#times), this.#error,
    h("h4", {}, "Input"), this.#input, h("h4", {}, "Output"), this.#output);
  readonly #settings = h("pre", { tabindex: 0, "aria-label": "Settings", "data-testid": "node-detail" });
  readonly #set = h("details", {}, h("summary", {}, "Settings"), this.#settings);
  readonly element: HTMLElement;
  #steps: readonly Step[] = [];
  #shown: readonly [string | null, unknown, unknown] = [null, null, null];

  /** account: which outside account the node uses, for those that can have one. */
  constructor(close: () => void, account: HTMLElement) {
    this.element = h("section", { class: "detail", hidden: true, "aria-label": "Node" },
      h("div", { class: "bar" }, this.#title, h("button", { type: "button", class: "quiet", "aria-label": "Close details", click: close }, "✕")),
      h("div", { class: "inside" }, account, this.#ran, this.#set));
  }

  /** steps: what the node did in the run that is shown, oldest first; none: no run is shown, or it was not reached. */
  render(id: string | null, definition: Definition | null, steps: readonly Step[]): void {
    const node = id === null ? undefined : definition?.nodes[id];
    const newest = steps.at(-1);
    const [shownId, shownNode, shownStep] = this.#shown;
    if (shownId === id && shownNode === node && shownStep === newest && this.#steps.length === steps.length) return;
    this.#shown = [id, node, newest];
    this.element.hidden = !node;
    if (!node || id === null) return;
    setText(this.#title, node.titleOverride ? `${node.titleOverride} (${id})` : id);
    setText(this.#settings, readable(node));
    this.#ran.hidden = steps.length === 0;
    if (shownId !== id || (steps.length > 0) !== (this.#steps.length > 0)) this.#set.open = steps.length === 0;
    this.#steps = steps;
    this.#times.hidden = steps.length < 2;
    this.#times.replaceChildren(...steps.map((step) => h("option", {}, step.path || "once")));
    this.#times.selectedIndex = steps.length - 1;
    this.#pick(steps.length - 1);
  }

  #pick(position: number): void {
    const step = this.#steps[position];
    if (!step) return;
    const time = !step.durationMs ? "" : ` in ${duration(step.durationMs)}`;
    setText(this.#state, `${WORDS[step.status]}${time}`);
    set(this.#state, "data-state", step.status);
    this.#error.hidden = !step.error;
    setText(this.#error, step.error ?? "");
    setText(this.#input, step.input == null ? "—" : readable(step.input));
    setText(this.#output, step.output == null ? "—" : readable(step.output));
  }
}

const WORDS: Record<Step["status"], string> = {
  pending: "Not begun", running: "Running", waiting: "Waiting", success: "Done", failed: "Failed", skipped: "Skipped",
};
