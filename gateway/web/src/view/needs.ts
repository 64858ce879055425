// What is left to connect before the workflow can run: a line a type of account.
import { needsOf, type Accounts } from "../accounts";
import { h } from "../dom";
import type { NodeAccount } from "../executions";
import { AccountChoice, type ChoiceActions, type Standing } from "./account_choice";

/** Steps that are named in a line. */
const NAMED = 3;

export class Needs {
  readonly element = h("div", { class: "needs", id: "run-needs", hidden: true, role: "group", "aria-label": "Accounts to connect", "data-testid": "needs" });
  readonly #choices = new Map<string, AccountChoice>();

  constructor(private readonly accounts: Accounts, private readonly actions: ChoiceActions) {}

  /** Answers with whether what had the focus is done and gone. */
  render(connectors: readonly NodeAccount[], standing: Standing): boolean {
    const focused = this.element.contains(document.activeElement);
    const needs = needsOf(connectors);
    this.element.hidden = needs.length === 0;
    for (const [type, choice] of this.#choices) {
      if (needs.some((each) => each.type === type)) continue;
      choice.element.remove();
      this.#choices.delete(type);
    }
    for (const need of needs) {
      let choice = this.#choices.get(need.type);
      if (!choice) {
        choice = new AccountChoice(`need-${need.type}`, this.accounts, this.actions);
        this.#choices.set(need.type, choice);
      }
      const names = need.nodes.slice(0, NAMED).map(({ nodeId }) => nodeId).join(", ");
      const more = need.nodes.length > NAMED ? ` and ${need.nodes.length - NAMED} more` : "";
      choice.render(need, standing, ` for ${names}${more}`);
    }
    const rows = needs.map(({ type }) => this.#choices.get(type)!.element);
    // Moving what has the focus would lose it.
    if (rows.some((row, position) => this.element.children[position] !== row)) this.element.replaceChildren(...rows);
    return focused && !this.element.contains(document.activeElement);
  }

  /** The first thing to do. */
  focus(): void {
    this.element.scrollIntoView({ block: "nearest" });
    this.element.querySelector<HTMLElement>("select:not([hidden]), button")?.focus();
  }
}
