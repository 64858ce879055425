// The form of one account, made from what the API says about its type. What was typed leaves with the request and is
// gone from the page afterwards; the API's objections stand beside the fields they are about.
import type { Connector, ConnectorForm, FormField, FormWay } from "../connectors";
import { h, set, setText } from "../dom";
import { configOf, freeName, known, placed } from "../forms";
import { HttpError } from "../http";
import type { JsonObject } from "../wire";

export interface AccountFormActions {
  /** Makes it, or with an id changes it; without a config only its name. Raises HttpError. */
  save(type: string, id: string | null, name: string, config: JsonObject | null): Promise<void>;
  cancel(): void;
}

type Control = HTMLInputElement | HTMLSelectElement;

interface Shown {
  control: Control;
  error: HTMLElement;
}

const NAME: FormField = {
  name: "name", title: "Name", kind: "text", secret: false, required: true, example: "", default: null, choices: [],
  help: "What you call it, to tell it from others.",
};

export class AccountForm {
  readonly element: HTMLFormElement;
  readonly #title = h("h3", { id: "account-title" });
  readonly #help = h("p", { class: "muted small" });
  readonly #warning = h("p", { class: "notice", "data-tone": "warning", "data-testid": "account-warning" });
  readonly #way = h("select", { id: "account-way", "data-testid": "account-way", change: () => this.#fill() });
  readonly #wayRow = h("div", { class: "field" }, h("label", { for: "account-way" }, "Kind"), this.#way);
  readonly #fields = h("div", { class: "fields" });
  readonly #error = h("p", { class: "error", role: "alert", "data-testid": "account-error" });
  readonly #button = h("button", { type: "submit", class: "primary", "data-testid": "account-save" });
  #form: ConnectorForm | null = null;
  #changed: Connector | null = null;
  #shown = new Map<string, Shown>();
  /** What the form of a change began with. */
  #before = "";

  constructor(private readonly actions: AccountFormActions) {
    this.element = h("form", { class: "account-form", novalidate: true, hidden: true, "aria-labelledby": "account-title", "data-testid": "account-form", submit: (event) => void this.#submit(event) },
      this.#title, this.#help, this.#warning, this.#wayRow, this.#fields, this.#error,
      h("div", { class: "options" }, this.#button, h("button", { type: "button", click: () => this.actions.cancel() }, "Cancel")));
  }

  /** changed: the account whose credentials are given anew; null: a new one. others: those of the type there are. */
  open(form: ConnectorForm, changed: Connector | null, others: readonly Connector[]): void {
    this.#form = form;
    this.#changed = changed;
    setText(this.#title, changed ? `Change “${changed.name}”` : `Connect: ${form.title}`);
    setText(this.#help, changed ? "Secrets are entered anew: what is stored is never shown. To change only the name, leave them blank." : form.help);
    this.#warning.hidden = changed !== null || others.length !== 1;
    setText(this.#warning, others.length === 1 ? `You have one already: “${others[0]!.name}”. With two, every step has to say which one it uses.` : "");
    setText(this.#button, changed ? "Save" : "Connect");
    this.#way.replaceChildren(...form.ways.map(({ name, title }) => h("option", { value: name }, title)));
    this.#wayRow.hidden = form.ways.length < 2;
    this.#shown.clear();
    const { way, values } = changed ? known(form, changed) : { way: 0, values: {} };
    this.#way.selectedIndex = way;
    this.#fill(changed?.name ?? freeName(form.title, others.map(({ name }) => name)));
    for (const [name, value] of Object.entries(values)) this.#shown.get(name)!.control.value = value;
    this.#before = this.#config;
    this.element.hidden = false;
    (this.#wayRow.hidden ? this.#fields : this.#wayRow).querySelector<HTMLElement>("input, select")?.focus();
  }

  close(): void {
    this.element.hidden = true;
    this.#fields.replaceChildren();
    this.#shown.clear();
    setText(this.#error, "");
  }

  get #chosen(): FormWay {
    return this.#form!.ways[Math.max(0, this.#way.selectedIndex)]!;
  }

  /** What is typed, but for the name. */
  get #config(): string {
    return JSON.stringify([this.#chosen.name, ...[...this.#shown].map(([name, { control }]) => (name === NAME.name ? "" : control.value))]);
  }

  #fill(name = this.#shown.get(NAME.name)?.control.value ?? ""): void {
    this.#shown.clear();
    setText(this.#error, "");
    this.#fields.replaceChildren(...[...this.#chosen.fields, NAME].map((field) => this.#row(field)));
    this.#shown.get(NAME.name)!.control.value = name;
  }

  #row(field: FormField): HTMLElement {
    const id = `account-${field.name}`;
    const error = h("p", { class: "error small", id: `${id}-error`, "data-testid": `${id}-error` });
    const about = [field.help && `${id}-help`, error.id].filter(Boolean).join(" ");
    const control = controlOf(field, { id, name: field.name, "aria-describedby": about, "aria-required": field.required ? "true" : undefined, "data-testid": id });
    this.#shown.set(field.name, { control, error });
    const label = h("label", { for: id }, field.title, field.required || field.default !== null ? null : h("span", { class: "muted small" }, " optional"));
    return h("div", { class: "field" }, label,
      field.secret ? h("div", { class: "secret" }, control, reveal(control as HTMLInputElement, field.title)) : control,
      error, field.help ? h("p", { class: "muted small", id: `${id}-help` }, field.help) : null);
  }

  async #submit(event: Event): Promise<void> {
    event.preventDefault();
    if (this.#button.disabled) return;
    const way = this.#chosen;
    const typed = Object.fromEntries([...this.#shown].map(([name, { control }]) => [name, control.value]));
    this.#say(new Map());
    this.#button.disabled = true;
    try {
      const config = this.#changed && this.#config === this.#before ? null : configOf(way, typed);
      await this.actions.save(this.#form!.type, this.#changed?.id ?? null, typed[NAME.name]!.trim(), config);
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      this.#say(error.faults.length ? placed(error.faults, way, typed) : new Map([["", error.message]]));
    } finally {
      this.#button.disabled = false;
    }
  }

  #say(found: ReadonlyMap<string, string>): void {
    setText(this.#error, found.get("") ?? "");
    if (found.has("")) this.#error.scrollIntoView({ block: "nearest" });
    for (const [name, { control, error }] of this.#shown) {
      setText(error, found.get(name) ?? "");
      set(control, "aria-invalid", found.has(name) ? "true" : undefined);
    }
    [...this.#shown.values()].find(({ control }) => control.hasAttribute("aria-invalid"))?.control.focus();
  }
}

function controlOf(field: FormField, common: Record<string, string | undefined>): Control {
  if (field.kind === "choice") {
    const select = h("select", common, ...field.choices.map(({ value, title }) => h("option", { value }, title)));
    select.value = String(field.default ?? field.choices[0]?.value ?? "");
    return select;
  }
  const type = field.secret ? "password" : "text";
  const mode = field.kind === "number" ? "numeric" : field.kind === "list" || field.kind === "text" ? undefined : field.kind;
  const input = h("input", {
    ...common, type, inputmode: mode, placeholder: field.example || undefined, spellcheck: "false", autocapitalize: "off",
    // The browser's own store of passwords has nothing to do with it.
    autocomplete: field.secret ? "new-password" : "off",
  });
  input.value = field.default === null ? "" : String(field.default);
  return input;
}

/** A long address typed or pasted unseen is hard to trust. */
function reveal(input: HTMLInputElement, title: string): HTMLElement {
  const button = h("button", {
    type: "button", class: "quiet small", "aria-pressed": "false", "aria-label": `Show ${title}`,
    click: () => {
      const shown = input.type === "password";
      input.type = shown ? "text" : "password";
      set(button, "aria-pressed", String(shown));
      setText(button, shown ? "Hide" : "Show");
    },
  }, "Show");
  return button;
}
