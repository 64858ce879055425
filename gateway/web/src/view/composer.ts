// The field for the next message. Enter sends, Shift+Enter breaks the line; while a run is active there is Stop, and a
// choice of what the message does to it.
import { h } from "../dom";
import type { WhenBusy } from "../wire";

const LONGEST_MESSAGE = 10_000;
const TALLEST_PX = 180;
/** The first one is meant unless another is chosen. */
const CHOICES: readonly [WhenBusy, string, string][] = [
  ["steer", "is taken in", "The run reads it before its next step."],
  ["queue", "waits its turn", "It is answered after the run has ended."],
  ["interrupt", "interrupts", "The run stops, and this comes next."],
];

export class Composer {
  readonly element: HTMLElement;
  readonly #field: HTMLTextAreaElement;
  readonly #stop: HTMLButtonElement;
  readonly #choice: HTMLSelectElement;
  readonly #choosing: HTMLElement;

  constructor(
    private readonly send: (text: string) => void,
    stop: () => void,
  ) {
    this.#field = h("textarea", {
      rows: 1, maxlength: LONGEST_MESSAGE, placeholder: "Describe a workflow …", "aria-label": "Message",
      "aria-describedby": "keys", "data-testid": "composer",
      input: () => this.#grow(), keydown: (event) => this.#key(event as KeyboardEvent),
    });
    this.#stop = h("button", { type: "button", class: "stop", disabled: true, "data-testid": "stop", click: stop }, "Stop");
    this.#choice = h("select", { "data-testid": "when-busy" },
      ...CHOICES.map(([value, words, title]) => h("option", { value, title }, words)));
    this.#choosing = h("label", { hidden: true }, "A message now ", this.#choice);
    this.element = h("form", { class: "composer", submit: (event) => this.#submit(event) },
      this.#field,
      h("div", { class: "actions" }, this.#stop, h("button", { type: "submit", class: "primary", "data-testid": "send" }, "Send")),
      h("div", { class: "below muted small" },
        h("p", { id: "keys" }, "Enter sends, Shift+Enter makes a new line."), this.#choosing));
  }

  /** A run is active: it can be stopped, and the next message has to say what it means to it. */
  set busy(busy: boolean) {
    this.#stop.disabled = !busy;
    this.#choosing.hidden = !busy;
    // A choice made for one run must not surprise the next.
    if (!busy) this.#choice.value = CHOICES[0]![0];
  }

  /** Also meant when no run is active: one may have begun that this page does not know of yet. */
  get whenBusy(): WhenBusy {
    return this.#choice.value as WhenBusy;
  }

  focus(): void {
    this.#field.focus();
  }

  #submit(event: Event): void {
    event.preventDefault();
    const text = this.#field.value.trim();
    if (!text) return;
    this.#field.value = "";
    this.#grow();
    this.send(text);
  }

  #key(event: KeyboardEvent): void {
    // Enter that ends the input of a composed character (Japanese, Chinese …) sends nothing.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    (this.element as HTMLFormElement).requestSubmit();
  }

  #grow(): void {
    this.#field.style.height = "auto";
    this.#field.style.height = `${Math.min(this.#field.scrollHeight, TALLEST_PX)}px`;
  }
}
