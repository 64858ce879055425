// One account in the list: what may be shown of it, how its test went, and what can be done with it.
import type { Connector, ConnectorForm, Outcome } from "../connectors";
import { h, set, setText } from "../dom";
import { summary } from "../forms";
import { HttpError } from "../http";

export interface AccountRowActions {
  /** Both raise HttpError. */
  test(id: string): Promise<Outcome>;
  remove(id: string): Promise<void>;
  change(account: Connector): void;
}

export class AccountRow {
  readonly element: HTMLElement;
  readonly #name = h("strong");
  readonly #type = h("span", { class: "muted small" });
  readonly #config = h("p", { class: "muted small config", "data-testid": "account-config" });
  readonly #state = h("p", { class: "small", role: "status", "data-testid": "account-state" });
  readonly #test = h("button", { type: "button", "data-testid": "account-test", click: () => void this.#do(() => this.#try()) }, "Test");
  readonly #remove = h("button", { type: "button", "data-testid": "account-remove", click: () => this.#ask(true) }, "Remove");
  readonly #buttons: HTMLFieldSetElement;
  readonly #sure: HTMLFieldSetElement;
  #account: Connector;
  /** What came of the last thing done here; "": what the server knows is shown. */
  #said = "";
  #failed = false;

  constructor(account: Connector, private readonly actions: AccountRowActions) {
    this.#account = account;
    this.#buttons = h("fieldset", { class: "options" }, this.#test,
      h("button", { type: "button", "data-testid": "account-change", click: () => this.actions.change(this.#account) }, "Change…"),
      this.#remove);
    this.#sure = h("fieldset", { class: "options", hidden: true },
      h("span", { class: "small" }, "Steps that use it will fail."),
      h("button", { type: "button", class: "stop", "data-testid": "account-remove-sure", click: () => void this.#do(() => this.actions.remove(this.#account.id).then(() => "")) }, "Remove it"),
      h("button", { type: "button", click: () => this.#ask(false) }, "Keep it"));
    this.element = h("li", { class: "account", "data-testid": "account" },
      h("p", { class: "named" }, this.#name, this.#type), this.#config, this.#state, this.#buttons, this.#sure);
  }

  render(account: Connector, form: ConnectorForm | null): void {
    // Other credentials: what was said is of the old ones.
    if (account.updatedAt !== this.#account.updatedAt) this.#said = "";
    this.#account = account;
    setText(this.#name, account.name);
    setText(this.#type, form?.title ?? account.type);
    setText(this.#config, summary(account.config));
    const test = form?.test ?? null;
    this.#test.hidden = test === null;
    set(this.#test, "title", test === null ? undefined : `A test ${test}.`);
    for (const button of this.#buttons.querySelectorAll("button")) set(button, "aria-label", `${button.textContent} ${account.name}`);
    this.#show(test);
  }

  focus(): void {
    this.element.scrollIntoView({ block: "nearest" });
    (this.#test.hidden ? this.#remove : this.#test).focus();
  }

  #show(test: string | null): void {
    const { testOk, testedAt } = this.#account;
    const ok = this.#said ? !this.#failed : testOk !== false;
    const when = testedAt === null ? "" : new Date(testedAt).toLocaleString(undefined, { dateStyle: "short", timeStyle: "short" });
    const known = testOk === null ? (test === null ? "Nothing to test: each request says where it goes." : `Not tested: a test ${test}.`) : `${testOk ? "Worked" : "Failed"} when tested, ${when}.`;
    setText(this.#state, this.#said || known);
    set(this.#state, "data-state", this.#said || testOk !== null ? (ok ? "success" : "failed") : undefined);
  }

  #ask(sure: boolean): void {
    this.#buttons.hidden = sure;
    this.#sure.hidden = !sure;
    (sure ? this.#sure : this.#buttons).querySelector<HTMLElement>(sure ? "button" : "[data-testid=account-remove]")?.focus();
  }

  async #try(): Promise<string> {
    setText(this.#state, "Testing …");
    set(this.#state, "data-state", undefined);
    const { ok, message } = await this.actions.test(this.#account.id);
    this.#failed = !ok;
    return ok ? `It works: ${message}.` : `It failed: ${message}`;
  }

  async #do(action: () => Promise<string>): Promise<void> {
    this.#buttons.disabled = this.#sure.disabled = true;
    this.#said = "";
    try {
      this.#said = await action();
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      this.#failed = true;
      this.#said = error.message;
    } finally {
      this.#buttons.disabled = this.#sure.disabled = false;
      setText(this.#state, this.#said);
      set(this.#state, "data-state", this.#said ? (this.#failed ? "failed" : "success") : undefined);
    }
  }
}
