// The sign-in form: asks for the API key and shows why one was not accepted.
import { h, setText } from "../dom";

export class SignIn {
  readonly element: HTMLElement;
  readonly #field: HTMLInputElement;
  readonly #button: HTMLButtonElement;
  readonly #error: HTMLElement;

  /** `submit` answers with the reason of a failure, or "". */
  constructor(private readonly submit: (key: string) => Promise<string>) {
    this.#field = h("input", {
      id: "key", name: "key", type: "password", autocomplete: "off", spellcheck: "false", required: true,
      "aria-describedby": "key-hint key-error", "data-testid": "api-key",
    });
    this.#button = h("button", { type: "submit", class: "primary", "data-testid": "sign-in" }, "Sign in");
    this.#error = h("p", { id: "key-error", class: "error", role: "alert", "data-testid": "sign-in-error" });
    this.element = h("main", { class: "signin", "data-testid": "sign-in-page" },
      h("form", { class: "card", submit: (event) => void this.#submit(event) },
        h("img", { src: "/static/favicon.svg", alt: "", width: 40, height: 40 }),
        h("h1", {}, "Caddie"),
        h("p", { class: "muted" }, "Describe a workflow; watch it being built."),
        h("label", { for: "key" }, "API key"),
        this.#field,
        h("p", { id: "key-hint", class: "muted small" }, "Printed once when the service was first started. It is kept in this tab only."),
        this.#error,
        this.#button,
      ),
    );
  }

  show(message = ""): void {
    setText(this.#error, message);
    this.#field.value = "";
    this.#field.focus();
  }

  async #submit(event: Event): Promise<void> {
    event.preventDefault();
    const key = this.#field.value.trim();
    if (!key || this.#button.disabled) return;
    this.#button.disabled = true;
    setText(this.#error, "");
    setText(this.#button, "Signing in …");
    try {
      const reason = await this.submit(key);
      setText(this.#error, reason);
      if (reason) this.#field.select();
    } finally {
      this.#button.disabled = false;
      setText(this.#button, "Sign in");
    }
  }
}
