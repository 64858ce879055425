// Pending changes to a workflow, a line each with the fields that differ, to be applied or rejected.
import { h, set, setText } from "../dom";
import { lines, type Line } from "../proposal";
import { decided, type Proposed } from "../timeline";
import type { Ack, Proposal } from "../wire";
import type { Row } from "./rows";

export class ProposalRow implements Row<Proposed> {
  readonly element: HTMLElement;
  readonly #deciding: HTMLElement;
  readonly #buttons: HTMLFieldSetElement;
  readonly #outcome = h("p", { class: "outcome", hidden: true, "data-testid": "proposal-outcome" });
  readonly #error = h("p", { class: "error", role: "alert", "data-testid": "proposal-error" });

  constructor(
    private readonly proposed: Proposed,
    private readonly decide: (proposalId: string, decision: "apply" | "reject") => Promise<Ack>,
  ) {
    const { proposal } = proposed;
    this.#buttons = h("fieldset", { class: "options" },
      h("button", { type: "button", class: "primary", "data-testid": "apply", click: () => void this.#send("apply") }, "Apply"),
      h("button", { type: "button", "data-testid": "reject", click: () => void this.#send("reject") }, "Reject"));
    // Which of the two is seen depends on the session's scopes: style.css.
    this.#deciding = h("div", {},
      h("div", { class: "decide" }, this.#buttons, until(proposal)),
      h("p", { class: "undecidable muted small" }, "This session may look at proposals and not decide on them."));
    this.element = h("section", { class: "card ask", "data-testid": "proposal", "aria-label": "Proposal" },
      h("h3", {}, "Proposed changes", base(proposal)),
      h("ol", { class: "changes", "data-testid": "changes" }, ...lines(proposal).map(item)),
      issues(proposal), this.#deciding, this.#error, this.#outcome);
  }

  update({ decision }: Proposed): void {
    set(this.element, "data-open", decision === null ? "true" : "false");
    this.#deciding.hidden = decision !== null;
    this.#outcome.hidden = decision === null;
    setText(this.#outcome, decision ? decided(decision) : "");
    if (decision) setText(this.#error, "");
  }

  async #send(decision: "apply" | "reject"): Promise<void> {
    this.#buttons.disabled = true;
    setText(this.#error, "");
    try {
      const ack = await this.decide(this.proposed.id, decision);
      if (!ack.ok) setText(this.#error, ack.message ?? "The decision was refused.");
    } catch {
      setText(this.#error, "No answer from the server.");
    } finally {
      this.#buttons.disabled = false;
    }
  }
}

function item({ text, fields }: Line): HTMLElement {
  if (fields.length === 0) return h("li", {}, text);
  const rows = fields.flatMap(({ name, before, after }) => [
    h("dt", {}, h("code", {}, name)),
    h("dd", {}, before !== null && h("del", {}, before), after !== null && h("ins", {}, after)),
  ]);
  return h("li", {}, h("details", {}, h("summary", {}, text), h("dl", {}, ...rows)));
}

function base({ baseVersion }: Proposal): HTMLElement | null {
  return baseVersion === undefined ? null : h("span", { class: "muted small" }, ` to version ${baseVersion}`);
}

function issues(proposal: Proposal): HTMLElement | null {
  const found = (proposal.issues ?? []).flatMap(({ message }) => (message ? [message] : []));
  if (found.length === 0) return null;
  return h("div", { class: "notice", "data-tone": "warning" },
    h("p", {}, "With these changes, validation says:"), h("ul", {}, ...found.map((message) => h("li", {}, message))));
}

function until({ expiresAt }: Proposal): HTMLElement | null {
  const moment = new Date(expiresAt ?? "");
  if (Number.isNaN(moment.getTime())) return null;
  return h("p", { class: "muted small" }, `Can be decided until ${moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })}.`);
}
