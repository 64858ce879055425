// A question, plan or template choice of the agent: its text, its options as buttons, and room for other words.
import { h, readable, set, setText } from "../dom";
import type { Asked } from "../timeline";
import type { Ack, InputRequest, Json, JsonObject } from "../wire";
import type { Row } from "./rows";

interface Option {
  value: Json;
  label: string;
  description: string;
}

const TITLES = { question: "Question", plan: "Plan", template: "Choose a template" } as const;
/** A plan that names no options can be agreed to or not; other words are a wish for changes. */
const PLAN_OPTIONS: readonly Option[] = [
  { value: "approve", label: "Go ahead", description: "" },
  { value: "reject", label: "Not like this", description: "" },
];

export class InputRow implements Row<Asked> {
  readonly element: HTMLElement;
  readonly #form: HTMLFormElement;
  readonly #controls: HTMLFieldSetElement;
  readonly #outcome = h("p", { class: "outcome", hidden: true, "data-testid": "input-outcome" });
  readonly #error = h("p", { class: "error", role: "alert", "data-testid": "input-error" });
  readonly #options: readonly Option[];

  constructor(
    private readonly request: InputRequest,
    private readonly answer: (inputId: string, value: Json) => Promise<Ack>,
  ) {
    const { body, kind } = request;
    this.#options = options(body.options) ?? (kind === "plan" ? PLAN_OPTIONS : []);
    const title = `title-${request.inputId}`;
    this.#controls = h("fieldset", { "aria-labelledby": title });
    this.#form = h("form", { submit: (event) => this.#submit(event) }, this.#controls);
    this.#fillControls(body.allowText !== false);
    this.element = h("section", { class: "card ask", "aria-labelledby": title, "data-testid": "input", "data-kind": kind },
      h("h3", { id: title }, TITLES[kind] ?? "Question"),
      ...describe(body),
      this.#form, this.#error, this.#outcome);
  }

  update(asked: Asked): void {
    const { resolution } = asked;
    set(this.element, "data-open", resolution === null ? "true" : "false");
    this.#form.hidden = resolution !== null;
    this.#outcome.hidden = resolution === null;
    if (resolution === "expired") setText(this.#outcome, "Nobody answered in time.");
    else if (resolution) setText(this.#outcome, `Answer: ${this.#labelOf(resolution.value)}`);
    if (resolution) setText(this.#error, "");
  }

  #fillControls(allowText: boolean): void {
    const buttons = this.#options.map((option) =>
      h("button", { type: "button", class: "option", title: option.description, "data-testid": "input-option", click: () => void this.#send(option.value) },
        option.label, option.description ? h("span", { class: "muted small" }, option.description) : null));
    if (buttons.length) this.#controls.append(h("div", { class: "options" }, ...buttons));
    if (!allowText && buttons.length) return;
    this.#controls.append(
      h("div", { class: "free" },
        h("input", { name: "text", "aria-label": "Answer in your own words", placeholder: buttons.length ? "Or in your own words" : "Your answer", autocomplete: "off", "data-testid": "input-text" }),
        h("button", { type: "submit", "data-testid": "input-send" }, "Answer")));
  }

  #submit(event: Event): void {
    event.preventDefault();
    const text = String(new FormData(this.#form).get("text") ?? "").trim();
    if (text) void this.#send(text);
  }

  async #send(value: Json): Promise<void> {
    this.#controls.disabled = true;
    setText(this.#error, "");
    try {
      const ack = await this.answer(this.request.inputId, value);
      if (!ack.ok) setText(this.#error, ack.message ?? "The answer was refused.");
    } catch (error) {
      setText(this.#error, error instanceof Error && error.message === "Not connected." ? error.message : "No answer from the server.");
    } finally {
      this.#controls.disabled = false;
    }
  }

  #labelOf(value: Json): string {
    const option = this.#options.find((other) => JSON.stringify(other.value) === JSON.stringify(value));
    return option?.label ?? readable(value);
  }
}

/** The body's prose and steps; its members are the agent's, so unknown ones are left out. */
function describe(body: JsonObject): HTMLElement[] {
  const prose = ["title", "text", "summary"].flatMap((name) => (typeof body[name] === "string" && body[name] ? [body[name]] : []));
  const parts: HTMLElement[] = prose.map((text) => h("p", { class: "text", "data-testid": "input-body" }, text));
  const steps = Array.isArray(body.steps) ? body.steps : [];
  if (steps.length) parts.push(h("ol", {}, ...steps.map((step) => h("li", {}, stepText(step)))));
  return parts;
}

function stepText(step: Json): string {
  if (typeof step !== "object" || step === null || Array.isArray(step)) return String(step);
  const words = [step.title ?? step.name ?? step.text ?? step.type, step.description].filter((part) => typeof part === "string");
  return words.join(": ") || JSON.stringify(step);
}

function options(value: Json | undefined): Option[] | null {
  if (!Array.isArray(value) || value.length === 0) return null;
  return value.map((item) => {
    if (typeof item !== "object" || item === null || Array.isArray(item)) return { value: item, label: String(item), description: "" };
    const answer = item.value ?? item.id ?? item.label ?? null;
    const description = typeof item.description === "string" ? item.description : "";
    return { value: answer, label: String(item.label ?? item.name ?? answer), description };
  });
}
