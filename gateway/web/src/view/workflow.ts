// The workflow's half of the page: its graph, running it, the run that is looked at, the chosen node.
// What is shown is a function of the chat's view and of running; only which node is chosen is kept here.
import { h, set, setText } from "../dom";
import { nodeStates, runsOf, type Execution, type NodeState } from "../execution";
import type { View } from "../journal";
import type { Running } from "../running";
import { Detail } from "./detail";
import { Graph } from "./graph";
import { History } from "./history";
import { RunPanel } from "./run";
import { StartForm } from "./start";

/** It is over soon: nobody has to read it. */
const LOOKING = "Looking it up …";

export class Workflow {
  readonly element: HTMLElement;
  readonly #count = h("span", { class: "muted small", "data-testid": "node-count" });
  readonly #reason = h("p", { class: "reason muted small", id: "run-reason", "data-testid": "run-reason" });
  readonly #trouble = h("p", { class: "error small", role: "alert", "data-testid": "run-trouble" });
  readonly #button = h("button", { type: "button", class: "primary", "aria-describedby": "run-reason", "data-testid": "run-button", click: () => this.#start() }, "Run");
  readonly #past = h("button", { type: "button", "aria-expanded": "false", "aria-controls": "runs", "data-testid": "toggle-runs", click: () => set(this.#past, "aria-expanded", String(this.#history.toggle())) }, "Runs");
  readonly #form: StartForm;
  readonly #history: History;
  readonly #graph = new Graph((id) => this.#choose(id));
  readonly #run: RunPanel;
  readonly #detail = new Detail(() => this.#choose(null));
  #chosen: string | null = null;
  #view: View | null = null;
  #states: [Execution | null, Record<string, NodeState>] = [null, {}];

  constructor(private readonly running: Running) {
    this.#form = new StartForm((trigger, inputs) => running.run(trigger, inputs));
    this.#history = new History((id) => void running.choose(id));
    this.#run = new RunPanel({
      cancel: () => void running.cancel(),
      close: () => void running.choose(null),
      answer: (inputId, value) => running.answer(inputId, value),
      node: (id) => this.#choose(id),
    });
    this.element = h("section", { class: "workflow", "aria-labelledby": "workflow-title" },
      h("div", { class: "above" },
        h("div", { class: "bar" }, h("h2", { id: "workflow-title" }, "Workflow"), this.#count,
          h("span", { class: "options end" }, this.#past, this.#button)),
        this.#reason, this.#trouble, this.#form.element, this.#history.element),
      this.#graph.element,
      h("div", { class: "lower", tabindex: -1 }, this.#run.element, this.#detail.element));
  }

  render(view: View): void {
    this.#view = view;
    const { running } = this;
    const { execution } = running;
    const definition = execution?.definition ?? view.state.definition;
    const count = Object.keys(definition?.nodes ?? {}).length;
    setText(this.#count, count ? `${count} ${count === 1 ? "node" : "nodes"}` : "");
    const reason = this.#whyNot(view);
    this.#button.disabled = reason !== "" || running.busy;
    setText(this.#button, running.busy ? "…" : "Run");
    set(this.#button, "title", reason || "Run this workflow now");
    this.#reason.hidden = reason === "" || reason === LOOKING || count === 0;
    setText(this.#reason, reason);
    setText(this.#trouble, running.trouble);
    this.#past.hidden = !running.possible || running.workflow?.workflowId == null;
    this.#history.render(running.list, execution?.id ?? null);
    if (this.#chosen !== null && !definition?.nodes[this.#chosen]) this.#chosen = null;
    if (execution && this.#states[0] !== execution) this.#states = [execution, nodeStates(execution)];
    this.#graph.render(definition, execution ? this.#states[1] : view.timeline.nodes, this.#chosen);
    this.#run.render(execution);
    this.#detail.render(this.#chosen, definition, execution && this.#chosen !== null ? runsOf(execution, this.#chosen) : []);
  }

  #choose(id: string | null): void {
    this.#chosen = id;
    if (this.#view) this.render(this.#view);
    if (id !== null) this.#detail.element.scrollIntoView({ block: "nearest" });
  }

  #start(): void {
    const { definition } = this.#view!.state;
    if (definition) this.#form.open(definition);
  }

  /** Why it cannot run now; "" when it can. */
  #whyNot({ state }: View): string {
    if (!this.running.possible) return "Sign in with e-mail and password to run workflows.";
    if (Object.keys(state.definition?.nodes ?? {}).length === 0) return "There is no workflow to run yet.";
    if (state.runId !== null) return "Caddie is working on it.";
    const { workflow } = this.running;
    if (workflow === null || this.running.stale) return LOOKING;
    const [first, ...more] = workflow.faults;
    if (!first) return "";
    const where = [first.nodeId, first.field].filter(Boolean).join(".");
    return `Not ready: ${where ? `${where}: ` : ""}${sentence(first.message)}${more.length ? ` (and ${more.length} more)` : ""}`;
  }
}

/** The first one: what follows explains. */
function sentence(text: string): string {
  const end = text.indexOf(". ");
  return end < 0 ? text : text.slice(0, end);
}
