// The dialog of outside accounts: those there are, and the form of one that is connected or changed.
import type { Accounts, Need } from "../accounts";
import type { Connector } from "../connectors";
import { h, set, setText } from "../dom";
import { AccountForm } from "./account_form";
import { AccountRow } from "./account_row";

export interface DialogActions {
  /** An account was made for these steps. */
  connected(need: Need, account: Connector): Promise<unknown>;
  /** Accounts are not what they were. */
  changed(): void;
  /** It was closed, and what it was opened from is gone. */
  closed(): void;
}

export class AccountsDialog {
  readonly element: HTMLDialogElement;
  readonly #trouble = h("p", { class: "error", role: "alert", "data-testid": "accounts-trouble" });
  readonly #empty = h("p", { class: "muted" }, "There is none yet.");
  readonly #list = h("ul", { class: "account-list", "data-testid": "accounts-list" });
  readonly #types = h("div", { class: "options" });
  readonly #overview: HTMLElement;
  readonly #form: AccountForm;
  readonly #rows = new Map<string, AccountRow>();
  #need: Need | null = null;
  /** The form was asked for and what it is made of is on its way. */
  #wanted = false;
  #shown: readonly unknown[] = [];

  constructor(private readonly accounts: Accounts, private readonly actions: DialogActions) {
    this.#form = new AccountForm({ save: (type, id, name, config) => this.#save(type, id, name, config), cancel: () => this.#back() });
    this.#overview = h("div", { class: "inside" },
      h("p", { class: "muted small" }, "What your workflows send through. What you enter is sealed, opened for a step only, and never shown again."),
      this.#trouble, this.#empty, this.#list,
      h("h4", { id: "account-types" }, "Connect"), this.#types);
    set(this.#types, "role", "group");
    set(this.#types, "aria-labelledby", "account-types");
    this.element = h("dialog", { class: "dialog", "aria-labelledby": "accounts-title", "data-testid": "accounts", close: () => this.#closed() },
      h("div", { class: "bar" }, h("h2", { id: "accounts-title" }, "Accounts"),
        h("button", { type: "button", class: "quiet end", "aria-label": "Close accounts", "data-testid": "accounts-close", click: () => this.element.close() }, "✕")),
      this.#overview, this.#form.element);
    // A click beside it closes it, unless something was typed.
    this.element.addEventListener("mousedown", (event) => {
      if (event.target === this.element && this.#form.element.hidden) this.element.close();
    });
  }

  /** need: steps for which one is to be connected; null: just look. */
  open(need: Need | null = null): void {
    if (!this.element.open) this.element.showModal();
    this.#need = need;
    this.#wanted = need !== null;
    if (!need) this.#back();
    void this.accounts.look();
    this.render();
  }

  render(): void {
    if (!this.element.open) return;
    const { list, forms, trouble, known } = this.accounts;
    if (this.#wanted && known) this.#connect(this.#need!.type);
    const shown = [list, forms, trouble, known];
    if (shown.every((each, position) => each === this.#shown[position])) return;
    this.#shown = shown;
    setText(this.#trouble, trouble);
    this.#empty.hidden = list.length > 0 || !known;
    this.#types.replaceChildren(...forms.map(({ type, title }) =>
      h("button", { type: "button", "data-testid": `connect-${type}`, click: () => this.#connect(type) }, `${title}…`)));
    for (const [id, row] of this.#rows) {
      if (list.some((each) => each.id === id)) continue;
      row.element.remove();
      this.#rows.delete(id);
    }
    this.#list.replaceChildren(...list.map((account) => this.#row(account)));
  }

  #row(account: Connector): HTMLElement {
    let row = this.#rows.get(account.id);
    if (!row) {
      row = new AccountRow(account, {
        test: (id) => this.accounts.test(id),
        remove: (id) => this.accounts.remove(id).then(() => this.actions.changed()),
        change: (changed) => this.#edit(changed.type, changed),
      });
      this.#rows.set(account.id, row);
    }
    row.render(account, this.accounts.form(account.type));
    return row.element;
  }

  #connect(type: string): void {
    this.#wanted = false;
    if (this.#need?.type !== type) this.#need = null;
    this.#edit(type, null);
  }

  #edit(type: string, changed: Connector | null): void {
    const form = this.accounts.form(type);
    if (!form) return this.#back();
    this.#overview.hidden = true;
    this.#form.open(form, changed, this.accounts.of(type));
  }

  #closed(): void {
    this.#form.close();
    if (document.activeElement === document.body) this.actions.closed();
  }

  #back(): void {
    this.#form.close();
    this.#overview.hidden = false;
  }

  async #save(...[type, id, name, config]: Parameters<Accounts["save"]>): Promise<void> {
    const account = await this.accounts.save(type, id, name, config);
    const need = this.#need;
    this.#back();
    this.render();
    this.#rows.get(account.id)?.focus();
    if (need && id === null) await this.actions.connected(need, account);
    this.#need = null;
    this.actions.changed();
  }
}
