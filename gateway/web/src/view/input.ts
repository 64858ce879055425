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
const APPROVE = "approve";
const CHANGE = "change";
/** What a plan can be answered with, whatever it calls it; other words ask for another plan. */
const PLAN_OPTIONS: readonly Option[] = [
  { value: APPROVE, label: "Approve", description: "" },
  { value: CHANGE, label: "Change", description: "" },
];

export class InputRow implements Row<Asked> {
  readonly element: HTMLElement;
  readonly #form: HTMLFormElement;
  readonly #controls: HTMLFieldSetElement;
  readonly #outcome = h("p", { class: "outcome", hidden: true, "data-testid": "input-outcome" });
  readonly #error = h("p", { class: "error", role: "alert", "data-testid": "input-error" });
  readonly #options: readonly Option[];
  readonly #free: HTMLElement;

  constructor(
    private readonly request: InputRequest,
    private readonly answer: (inputId: string, value: Json) => Promise<Ack>,
  ) {
    const { body, kind } = request;
    this.#options = kind === "plan" ? PLAN_OPTIONS : (options(body.options) ?? []);
    const title = `title-${request.inputId}`;
    this.#controls = h("fieldset", { "aria-labelledby": title });
    this.#form = h("form", { submit: (event) => this.#submit(event) }, this.#controls);
    this.#free = this.#freeText();
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
    if (resolution === "expired") setText(this.#outcome, "Closed without an answer.");
    else if (resolution) setText(this.#outcome, this.#outcomeOf(resolution.value));
    if (resolution) setText(this.#error, "");
  }

  #fillControls(allowText: boolean): void {
    const buttons = this.#options.map((option) => {
      const opens = this.#plan && allowText && option.value === CHANGE;
      const approves = option.value === APPROVE;
      return h("button", { type: "button", class: approves ? "option primary" : "option", title: option.description, "data-testid": "input-option", click: () => (opens ? this.#open() : void this.#send(option.value)) },
        option.label, option.description ? h("span", { class: "muted small" }, option.description) : null);
    });
    if (buttons.length) this.#controls.append(h("div", { class: "options" }, ...buttons));
    if (!allowText && buttons.length) return;
    this.#free.hidden = this.#plan;
    this.#controls.append(this.#free);
  }

  #freeText(): HTMLElement {
    const placeholder = this.#plan ? "What should be different?" : this.#options.length ? "Or in your own words" : "Your answer";
    return h("div", { class: "free" },
      h("input", { name: "text", "aria-label": this.#plan ? placeholder : "Answer in your own words", placeholder, autocomplete: "off", "data-testid": "input-text" }),
      h("button", { type: "submit", "data-testid": "input-send" }, this.#plan ? "Ask for the change" : "Answer"));
  }

  get #plan(): boolean {
    return this.request.kind === "plan";
  }

  #open(): void {
    this.#free.hidden = false;
    this.#free.querySelector("input")?.focus();
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

  #outcomeOf(value: Json): string {
    if (this.#plan && value === APPROVE) return "Approved.";
    const option = this.#options.find((other) => JSON.stringify(other.value) === JSON.stringify(value));
    return `Answer: ${option?.label ?? readable(value)}`;
  }
}

/** The body's prose and steps; its members are the agent's, so unknown ones are left out. */
function describe(body: JsonObject): HTMLElement[] {
  const prose = ["title", "text", "summary"].flatMap((name) => (typeof body[name] === "string" && body[name] ? [body[name]] : []));
  const parts: HTMLElement[] = prose.map((text) => h("p", { class: "text", "data-testid": "input-body" }, text));
  const steps = Array.isArray(body.steps) ? body.steps : [];
  if (steps.length) parts.push(h("ol", {}, ...steps.map((step) => h("li", { "data-testid": "plan-step" }, ...stepParts(step)))));
  return parts;
}

/** Title, block and detail of a step. */
function stepParts(step: Json): (HTMLElement | string | false)[] {
  if (typeof step !== "object" || step === null || Array.isArray(step)) return [String(step)];
  const { title, block, detail } = step;
  return [
    typeof title === "string" ? title : readable(step),
    typeof block === "string" && h("code", { class: "block" }, block),
    typeof detail === "string" && h("p", { class: "muted small" }, detail),
  ];
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
