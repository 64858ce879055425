// What a run is given: where it starts, the text for a chat trigger, and the inputs the workflow asks for.
import { h, set, setText } from "../dom";
import { fieldsOf, read, triggersOf, type Field } from "../inputs";
import type { Definition, JsonObject } from "../wire";

export class StartForm {
  readonly element: HTMLFormElement;
  readonly #title = h("h3", { id: "start-title" }, "Run with");
  readonly #fields = h("div", { class: "fields" });
  readonly #error = h("p", { class: "error", role: "alert", "data-testid": "start-error" });
  readonly #button = h("button", { type: "submit", class: "primary", "data-testid": "start" }, "Start");
  #definition: Definition | null = null;
  #controls: [Field, HTMLInputElement | HTMLTextAreaElement][] = [];
  #trigger: HTMLSelectElement | null = null;

  constructor(private readonly start: (triggerNodeId: string | null, inputs: JsonObject) => Promise<boolean>) {
    this.element = h("form", { class: "start", hidden: true, "aria-labelledby": "start-title", "data-testid": "start-form", submit: (event) => void this.#submit(event), keydown: (event) => (event as KeyboardEvent).key === "Escape" && this.close() },
      this.#title, this.#fields, this.#error,
      h("div", { class: "options" }, this.#button, h("button", { type: "button", click: () => this.close() }, "Cancel")));
  }

  /** Asks for what the workflow needs; one that needs nothing starts at once. */
  open(definition: Definition): void {
    this.#definition = definition;
    const triggers = triggersOf(definition);
    if (triggers.length < 2 && fieldsOf(definition, triggers[0]?.id).length === 0) {
      void this.start(null, {});
      return;
    }
    this.#trigger = null;
    if (triggers.length > 1) {
      this.#trigger = h("select", { id: "start-trigger", "data-testid": "start-trigger", change: () => this.#fill() },
        ...triggers.map(({ id, title }) => h("option", { value: id }, title)));
    }
    this.#fill();
    setText(this.#error, "");
    this.element.hidden = false;
    this.element.querySelector<HTMLElement>("input, textarea, select")?.focus();
  }

  close(): void {
    this.element.hidden = true;
  }

  #fill(): void {
    const definition = this.#definition!;
    const from = this.#trigger?.value ?? triggersOf(definition)[0]?.id;
    this.#controls = fieldsOf(definition, from).map((field) => [field, control(field)]);
    this.#fields.replaceChildren(
      ...(this.#trigger ? [h("label", { for: "start-trigger" }, "Start at"), this.#trigger] : []),
      ...this.#controls.flatMap(([field, input]) => row(field, input)));
  }

  async #submit(event: Event): Promise<void> {
    event.preventDefault();
    const inputs: JsonObject = {};
    for (const [field, input] of this.#controls) {
      const { value, fault } = read(field, input instanceof HTMLInputElement && input.type === "checkbox" ? input.checked : input.value);
      set(input, "aria-invalid", fault ? "true" : undefined);
      if (fault) {
        setText(this.#error, `${field.label}: ${fault}`);
        input.focus();
        return;
      }
      if (value !== undefined) inputs[field.key] = value;
    }
    setText(this.#error, "");
    this.#button.disabled = true;
    try {
      if (await this.start(this.#trigger?.value ?? null, inputs)) this.close();
    } finally {
      this.#button.disabled = false;
    }
  }
}

function control(field: Field): HTMLInputElement | HTMLTextAreaElement {
  const common = { id: `input-${field.key}`, "data-testid": `input-${field.key}`, "aria-required": field.required ? "true" : undefined, "aria-describedby": field.description ? `about-${field.key}` : undefined };
  switch (field.type) {
    case "boolean":
      return h("input", { ...common, type: "checkbox" });
    case "number":
      return h("input", { ...common, type: "number", step: "any" });
    case "string":
      return field.long ? h("textarea", { ...common, rows: 2 }) : h("input", { ...common, autocomplete: "off" });
    default:
      return h("textarea", { ...common, rows: 3, spellcheck: "false", placeholder: field.type === "array" ? "[ … ]" : "{ … }" });
  }
}

function row(field: Field, input: HTMLElement): HTMLElement[] {
  const label = h("label", { for: input.id }, field.label, field.required ? null : h("span", { class: "muted small" }, " optional"));
  const about = field.description ? [h("p", { class: "muted small", id: `about-${field.key}` }, field.description)] : [];
  return [label, input, ...about];
}
