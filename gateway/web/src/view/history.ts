// The workflow's last runs, newest first, to look at again.
import { h, set } from "../dom";
import type { ExecutionSummary } from "../executions";
import { duration } from "./rows";
import { STATUS_WORDS } from "./run";

const TRIGGERS: Record<string, string> = {
  manual: "by hand", chat: "by chat", webhook: "webhook", schedule: "schedule", workflow: "another workflow", agent: "Caddie",
};

export class History {
  readonly element: HTMLElement;
  readonly #list = h("ol", { "data-testid": "runs" });
  #shown: readonly ExecutionSummary[] | null = null;
  #chosen: string | null = null;

  constructor(private readonly choose: (id: string) => void) {
    this.element = h("section", { class: "history", id: "runs", hidden: true, "aria-label": "Last runs" }, this.#list);
  }

  toggle(): boolean {
    this.element.hidden = !this.element.hidden;
    return !this.element.hidden;
  }

  render(list: readonly ExecutionSummary[], chosen: string | null): void {
    if (list === this.#shown && chosen === this.#chosen) return;
    this.#shown = list;
    this.#chosen = chosen;
    this.#list.replaceChildren(...list.map((each) => this.#row(each)));
    if (list.length === 0) this.#list.append(h("li", { class: "muted small" }, "It has not run yet."));
  }

  #row({ id, status, createdAt, durationMs, trigger, version }: ExecutionSummary): HTMLElement {
    const button = h("button", { type: "button", "aria-pressed": id === this.#chosen ? "true" : "false", "data-testid": "past-run", click: () => this.choose(id) },
      h("span", { class: "dot", "aria-hidden": "true" }), h("span", {}, STATUS_WORDS[status]),
      h("span", { class: "muted small numbers" }, [
        new Date(createdAt).toLocaleString(undefined, { dateStyle: "short", timeStyle: "medium" }),
        ...(durationMs === null ? [] : [duration(durationMs)]), TRIGGERS[trigger] ?? trigger, `version ${version}`,
      ].join(" · ")));
    set(button, "data-status", status);
    return h("li", {}, button);
  }
}
