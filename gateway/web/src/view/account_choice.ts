// Which account steps of one type use: a choice among several, or the way to connect one.
import type { Accounts, Need } from "../accounts";
import { h, set, setText } from "../dom";

export interface ChoiceActions {
  /** null: none in particular. */
  choose(need: Need, connectorId: string | null): void;
  connect(need: Need): void;
}

/** Of the choice to do without; no account's id. */
const NO = "-";

/** busy: something is being kept; locked: nothing can be chosen now. */
export interface Standing {
  busy: boolean;
  locked: boolean;
}

export class AccountChoice {
  readonly element: HTMLElement;
  readonly #label = h("label", { class: "small" });
  readonly #select: HTMLSelectElement;
  readonly #only = h("span", { class: "small", "data-testid": "account-used" });
  readonly #connect = h("button", { type: "button", "data-testid": "connect", click: () => this.actions.connect(this.#need!) });
  #need: Need | null = null;
  #options = "";

  /** id: of its select, one in the page. */
  constructor(id: string, private readonly accounts: Accounts, private readonly actions: ChoiceActions) {
    this.#select = h("select", { id, "data-testid": `${id}-choice`, change: () => this.#choose(this.#select.value) });
    set(this.#label, "for", id);
    this.element = h("div", { class: "choice", "data-testid": "choice" }, this.#label, this.#select, this.#only, this.#connect);
  }

  #choose(value: string): void {
    if (value) this.actions.choose(this.#need!, value === NO ? null : value);
  }

  /** about: what it is for, when that is not plain from where it stands. */
  render(need: Need, { busy, locked }: Standing, about = ""): void {
    this.#need = need;
    const title = this.accounts.title(need.type);
    const found = this.accounts.of(need.type);
    const used = need.nodes[0]!.connectorId;
    const needed = need.nodes.some((each) => each.needed);
    setText(this.#label, `${title} account${about}`);
    // An account that is the only one, and used for that, is no choice.
    const only = needed && found.length === 1 && found[0]!.id === used;
    // A plugin's block may want what nobody can connect here.
    const unknown = this.accounts.known && this.accounts.form(need.type) === null;
    this.#only.hidden = !only && !unknown;
    setText(this.#only, unknown ? "There is no form for accounts of this type." : only ? found[0]!.name : "");
    this.#connect.hidden = unknown;
    const missing = need.nodes.some((each) => each.missing !== null);
    this.#select.hidden = only || (found.length === 0 && (needed || !missing));
    this.#select.disabled = locked;
    const options: [string, string][] = found.map(({ id, name }) => [id, name]);
    if (used === null) options.unshift(["", needed || missing ? "Choose…" : "None"]);
    if (!needed && (used !== null || missing)) options.push([NO, "None"]);
    const key = JSON.stringify(options);
    if (key !== this.#options) {
      this.#options = key;
      this.#select.replaceChildren(...options.map(([value, text]) => h("option", { value }, text)));
    }
    // What was just chosen stays while it is kept.
    if (!busy) this.#select.value = used ?? "";
    setText(this.#connect, found.length === 0 ? "Connect…" : "Connect another…");
    this.#connect.className = found.length > 0 ? "quiet" : needed ? "primary" : "";
    set(this.#connect, "aria-label", `${this.#connect.textContent} ${title}${about}`);
  }
}
