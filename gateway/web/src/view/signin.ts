// The sign-in page: e-mail and password, or an API key instead; shows why one was not accepted.
import { h, set, setText } from "../dom";

/** Each answers with the reason of a failure, or "". */
export interface SignInActions {
  login(email: string, password: string): Promise<string>;
  key(key: string): Promise<string>;
}

export class SignIn {
  readonly element: HTMLElement;
  readonly #email = h("input", { id: "email", name: "email", type: "email", autocomplete: "username", required: true, "data-testid": "email" });
  readonly #password = h("input", { id: "password", name: "password", type: "password", autocomplete: "current-password", required: true, "aria-describedby": "login-hint sign-in-error", "data-testid": "password" });
  readonly #key = h("input", { id: "key", name: "key", type: "password", autocomplete: "off", spellcheck: "false", "aria-describedby": "key-hint sign-in-error", "data-testid": "api-key" });
  readonly #button = h("button", { type: "submit", class: "primary", "data-testid": "sign-in" }, "Sign in");
  readonly #error = h("p", { id: "sign-in-error", class: "error", role: "alert", "data-testid": "sign-in-error" });
  readonly #other = h("button", { type: "button", class: "quiet small", "data-testid": "use-key", click: () => this.#switch() });
  readonly #login: HTMLElement;
  readonly #byKey: HTMLElement;
  #usesKey = false;

  constructor(private readonly actions: SignInActions) {
    this.#login = h("div", { class: "fields" },
      h("label", { for: "email" }, "E-mail"), this.#email,
      h("label", { for: "password" }, "Password"), this.#password,
      h("p", { id: "login-hint", class: "muted small" }, "Printed once when the service was first started."));
    this.#byKey = h("div", { class: "fields" },
      h("label", { for: "key" }, "API key"), this.#key,
      h("p", { id: "key-hint", class: "muted small" }, "It is kept in this tab only."));
    this.element = h("main", { class: "signin", "data-testid": "sign-in-page" },
      h("form", { class: "card", submit: (event) => void this.#submit(event) },
        h("img", { src: "/static/favicon.svg", alt: "", width: 40, height: 40 }),
        h("h1", {}, "Caddie"),
        h("p", { class: "muted" }, "Describe a workflow; watch it being built."),
        this.#login, this.#byKey, this.#error, this.#button, this.#other));
    this.#show(false);
  }

  show(message = ""): void {
    setText(this.#error, message);
    this.#password.value = this.#key.value = "";
    (this.#usesKey ? this.#key : this.#email).focus();
  }

  #switch(): void {
    this.#show(!this.#usesKey);
    this.show();
  }

  #show(usesKey: boolean): void {
    this.#usesKey = usesKey;
    set(this.#login, "hidden", usesKey);
    set(this.#byKey, "hidden", !usesKey);
    this.#email.required = this.#password.required = !usesKey;
    this.#key.required = usesKey;
    setText(this.#other, usesKey ? "Use e-mail and password instead" : "Use an API key instead");
  }

  async #submit(event: Event): Promise<void> {
    event.preventDefault();
    if (this.#button.disabled) return;
    this.#button.disabled = true;
    setText(this.#error, "");
    setText(this.#button, "Signing in …");
    try {
      const reason = await this.#try();
      setText(this.#error, reason);
      if (reason) (this.#usesKey ? this.#key : this.#password).select();
      else this.#password.value = this.#key.value = "";
    } finally {
      this.#button.disabled = false;
      setText(this.#button, "Sign in");
    }
  }

  #try(): Promise<string> {
    if (this.#usesKey) return this.actions.key(this.#key.value.trim());
    return this.actions.login(this.#email.value.trim(), this.#password.value);
  }
}
