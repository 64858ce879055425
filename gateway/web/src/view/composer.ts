// The field for the next message. Enter sends, Shift+Enter breaks the line; while a run is active there is Stop.
import { h } from "../dom";

const LONGEST_MESSAGE = 10_000;
const TALLEST_PX = 180;

export class Composer {
  readonly element: HTMLElement;
  readonly #field: HTMLTextAreaElement;
  readonly #stop: HTMLButtonElement;

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
    this.element = h("form", { class: "composer", submit: (event) => this.#submit(event) },
      this.#field,
      h("div", { class: "actions" }, this.#stop, h("button", { type: "submit", class: "primary", "data-testid": "send" }, "Send")),
      h("p", { id: "keys", class: "muted small" }, "Enter sends, Shift+Enter makes a new line."));
  }

  /** A run is active: it can be stopped, and the next message waits for it. */
  set busy(busy: boolean) {
    this.#stop.disabled = !busy;
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
