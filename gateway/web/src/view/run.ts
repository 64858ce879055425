// The run that is looked at: how it stands, what it asks, what came of it.
import { h, readable, set, setText } from "../dom";
import { over, type Execution } from "../execution";
import type { Status } from "../executions";
import type { Ack, Json } from "../wire";
import { InputRow } from "./input";
import { duration } from "./rows";

export interface RunActions {
  cancel(): void;
  close(): void;
  answer(inputId: string, value: Json): Promise<Ack>;
  /** Show this node in full. */
  node(id: string): void;
}

export const STATUS_WORDS: Record<Status, string> = {
  pending: "Waiting for a worker", running: "Running", waiting: "Waiting", completed: "Completed", failed: "Failed", cancelled: "Cancelled",
};

export class RunPanel {
  readonly element: HTMLElement;
  readonly #status = h("span", { class: "status", role: "status", "aria-live": "polite", "data-testid": "run-status" });
  readonly #about = h("span", { class: "muted small numbers" });
  readonly #cancel = h("button", { type: "button", class: "stop", "data-testid": "run-cancel" }, "Cancel");
  readonly #failure = h("div", { class: "notice", role: "alert", "data-tone": "error", "data-testid": "run-error" });
  readonly #asked = h("div", { class: "asked" });
  readonly #said = h("p", { class: "text", "data-testid": "run-said" });
  readonly #result = h("pre", { tabindex: 0, "aria-label": "Result", "data-testid": "run-result" });
  readonly #came = h("div", {}, h("h4", {}, "Result"), this.#result);
  readonly #rows = new Map<string, InputRow>();
  #shown: Execution | null = null;

  constructor(private readonly actions: RunActions) {
    this.#cancel.addEventListener("click", () => actions.cancel());
    this.element = h("section", { class: "run", hidden: true, "aria-label": "Run", "data-testid": "run" },
      h("div", { class: "bar" }, this.#status, this.#about,
        h("span", { class: "options end" }, this.#cancel,
          h("button", { type: "button", class: "quiet", "aria-label": "Close the run", title: "Back to the workflow", "data-testid": "run-close", click: () => actions.close() }, "✕"))),
      h("div", { class: "inside" }, this.#failure, this.#asked, this.#said, this.#came));
  }

  render(execution: Execution | null): void {
    if (execution === this.#shown) return;
    if (execution?.id !== this.#shown?.id) {
      this.#rows.clear();
      this.#asked.replaceChildren();
    }
    this.#shown = execution;
    this.element.hidden = execution === null;
    if (!execution) return;
    const ended = over(execution);
    const asks = execution.asked.some(({ resolution }) => resolution === null);
    set(this.element, "data-status", execution.status);
    setText(this.#status, execution.status === "waiting" && asks ? "Waits for you" : STATUS_WORDS[execution.status]);
    setText(this.#about, `version ${execution.version}${execution.durationMs === null ? "" : ` · ${duration(execution.durationMs)}`}`);
    this.#cancel.hidden = ended;
    this.#showFailure(execution);
    this.#ask(execution, ended);
    const said = [...execution.said.values()].filter(Boolean).join("\n\n");
    this.#said.hidden = !said;
    setText(this.#said, said);
    this.#came.hidden = execution.status !== "completed" || execution.output == null;
    setText(this.#result, execution.output == null ? "" : readable(execution.output));
  }

  #showFailure({ status, error, errorNodeId }: Execution): void {
    this.#failure.hidden = status !== "failed";
    const text = error ?? "The run failed.";
    if (this.#failure.hidden || this.#failure.dataset.text === text + errorNodeId) return;
    this.#failure.dataset.text = text + errorNodeId;
    this.#failure.replaceChildren(h("p", {}, text),
      errorNodeId === null ? "" : h("button", { type: "button", "data-testid": "failed-node", click: () => this.actions.node(errorNodeId) }, `Look at ${errorNodeId}`));
  }

  /** The open questions; when all is over, none that stayed open. */
  #ask({ asked }: Execution, ended: boolean): void {
    for (const each of asked) {
      let row = this.#rows.get(each.id);
      if (!row) {
        row = new InputRow(each.request, this.actions.answer);
        this.#rows.set(each.id, row);
        this.#asked.append(row.element);
      }
      row.update(ended && each.resolution === null ? { ...each, resolution: "expired" } : each);
    }
  }
}
