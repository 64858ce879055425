// Pending changes to a workflow, to be applied or rejected.
import { h, readable, set, setText } from "../dom";
import type { Proposed } from "../timeline";
import type { Ack } from "../wire";
import type { Row } from "./rows";

export class ProposalRow implements Row<Proposed> {
  readonly element: HTMLElement;
  readonly #buttons: HTMLFieldSetElement;
  readonly #outcome = h("p", { class: "outcome", hidden: true });
  readonly #error = h("p", { class: "error", role: "alert" });

  constructor(
    private readonly proposed: Proposed,
    private readonly decide: (proposalId: string, decision: "apply" | "reject") => Promise<Ack>,
  ) {
    this.#buttons = h("fieldset", { class: "options" },
      h("button", { type: "button", class: "primary", "data-testid": "apply", click: () => void this.#send("apply") }, "Apply"),
      h("button", { type: "button", "data-testid": "reject", click: () => void this.#send("reject") }, "Reject"));
    this.element = h("section", { class: "card ask", "data-testid": "proposal", "aria-label": "Proposal" },
      h("h3", {}, "Proposed changes"),
      h("details", {}, h("summary", {}, "Show"), h("pre", {}, readable(proposed.proposal.changes ?? proposed.proposal))),
      this.#buttons, this.#error, this.#outcome);
  }

  update({ decision }: Proposed): void {
    set(this.element, "data-open", decision === null ? "true" : "false");
    this.#buttons.hidden = decision !== null;
    this.#outcome.hidden = decision === null;
    setText(this.#outcome, decision ? `The changes were ${decision.verdict}.` : "");
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
