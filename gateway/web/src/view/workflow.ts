// The workflow's half of the page: its graph, running it, the run that is looked at, the chosen node.
// What is shown is a function of the chat's view and of running; only which node is chosen is kept here.
import type { Accounts, Need } from "../accounts";
import { h, set, setText } from "../dom";
import { nodeStates, runsOf, type Execution, type NodeState } from "../execution";
import { UNCONNECTED, type NodeAccount } from "../executions";
import type { View } from "../journal";
import type { Running } from "../running";
import { AccountChoice, type ChoiceActions } from "./account_choice";
import { Detail } from "./detail";
import { Graph } from "./graph";
import { History } from "./history";
import { Needs } from "./needs";
import { RunPanel } from "./run";
import { StartForm } from "./start";

/** It is over soon: nobody has to read it. */
const LOOKING = "Looking it up …";
const NOT_READY = "Not ready: ";

export class Workflow {
  readonly element: HTMLElement;
  readonly #count = h("span", { class: "muted small", "data-testid": "node-count" });
  readonly #reason = h("p", { class: "reason muted small", id: "run-reason", "data-testid": "run-reason" });
  readonly #trouble = h("p", { class: "error small", role: "alert", "data-testid": "run-trouble" });
  readonly #button = h("button", { type: "button", class: "primary", "aria-describedby": "run-reason run-needs", "data-testid": "run-button", click: () => this.#start() }, "Run");
  readonly #past = h("button", { type: "button", "aria-expanded": "false", "aria-controls": "runs", "data-testid": "toggle-runs", click: () => set(this.#past, "aria-expanded", String(this.#history.toggle())) }, "Runs");
  readonly #form: StartForm;
  readonly #history: History;
  readonly #graph = new Graph((id) => this.#choose(id));
  readonly #run: RunPanel;
  readonly #needs: Needs;
  readonly #account: AccountChoice;
  readonly #detail: Detail;
  #chosen: string | null = null;
  #view: View | null = null;
  #states: [Execution | null, Record<string, NodeState>] = [null, {}];
  #left: [readonly NodeAccount[], ReadonlySet<string>] = [NONE, new Set()];
  /** Run was to be focused while it could not be. */
  #awaited = false;

  /** connect: an account is to be connected for these steps. */
  constructor(private readonly running: Running, accounts: Accounts, connect: (need: Need) => void) {
    const choice: ChoiceActions = {
      connect,
      choose: (need, id) => void running.connect(need.nodes.map(({ nodeId }) => nodeId), id),
    };
    this.#needs = new Needs(accounts, choice);
    this.#account = new AccountChoice("node-account", accounts, choice);
    this.#detail = new Detail(() => this.#choose(null), this.#account.element);
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
        this.#reason, this.#needs.element, this.#trouble, this.#form.element, this.#history.element),
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
    if (this.#awaited && !this.#button.disabled) {
      this.#awaited = false;
      if (document.activeElement === document.body) this.#button.focus();
    }
    set(this.#button, "title", reason || "Run this workflow now");
    const connectors = count ? (running.workflow?.connectors ?? NONE) : NONE;
    const standing = { busy: running.busy || running.stale, locked: view.state.runId !== null };
    if (connectors !== this.#left[0]) this.#left = [connectors, new Set(connectors.flatMap((each) => (each.missing === null ? [] : [each.nodeId])))];
    if (this.#needs.render(connectors, standing)) this.showNext();
    this.#reason.hidden = reason === "" || reason === LOOKING || count === 0 || this.#onlyAccounts(reason);
    setText(this.#reason, reason);
    setText(this.#trouble, running.trouble);
    this.#past.hidden = !running.possible || running.workflow?.workflowId == null;
    this.#history.render(running.list, execution?.id ?? null);
    if (this.#chosen !== null && !definition?.nodes[this.#chosen]) this.#chosen = null;
    if (execution && this.#states[0] !== execution) this.#states = [execution, nodeStates(execution)];
    this.#graph.render(definition, execution ? this.#states[1] : view.timeline.nodes, this.#chosen, this.#left[1]);
    this.#run.render(execution);
    this.#detail.render(this.#chosen, definition, execution && this.#chosen !== null ? runsOf(execution, this.#chosen) : []);
    const account = connectors.find(({ nodeId }) => nodeId === this.#chosen);
    this.#account.element.hidden = !account;
    if (account) this.#account.render({ type: account.type, nodes: [account] }, standing);
  }

  /** Steps without their account; null: not known right now. */
  get left(): ReadonlySet<string> | null {
    return this.running.workflow === null || this.running.stale ? null : this.#left[1];
  }

  /** To what is left to connect, else to Run. */
  showNext(): void {
    this.#awaited = this.#needs.element.hidden && this.#button.disabled;
    if (!this.#needs.element.hidden) this.#needs.focus();
    else if (!this.#awaited) this.#button.focus();
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

  /** What is left are accounts, which have lines of their own. */
  #onlyAccounts(reason: string): boolean {
    return reason.startsWith(NOT_READY) && this.running.workflow!.faults.every(({ type }) => type === UNCONNECTED);
  }

  /** Why it cannot run now; "" when it can. */
  #whyNot({ state }: View): string {
    if (!this.running.possible) return "Sign in with e-mail and password to run workflows.";
    if (Object.keys(state.definition?.nodes ?? {}).length === 0) return "There is no workflow to run yet.";
    if (state.runId !== null) return "Caddie is working on it.";
    const { workflow } = this.running;
    if (workflow === null || this.running.stale) return LOOKING;
    const others = workflow.faults.filter(({ type }) => type !== UNCONNECTED);
    const [first, ...more] = others.length ? others : workflow.faults;
    if (!first) return "";
    const where = [first.nodeId, first.field].filter(Boolean).join(".");
    return `${NOT_READY}${where ? `${where}: ` : ""}${sentence(first.message)}${more.length ? ` (and ${more.length} more)` : ""}`;
  }
}

const NONE: readonly NodeAccount[] = [];

/** The first one: what follows explains. */
function sentence(text: string): string {
  const end = text.indexOf(". ");
  return end < 0 ? text : text.slice(0, end);
}
