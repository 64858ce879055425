// The visitor's outside accounts as the page knows them, and the steps of the workflow that are without one.
// Invariant: no secret is kept here: it goes from the form to the server. Caller: the page.
import type { Connector, ConnectorForm, Connectors, Outcome } from "./connectors";
import type { NodeAccount } from "./executions";
import { HttpError } from "./http";
import type { JsonObject } from "./wire";

/** Steps for which one account is to be connected or chosen. */
export interface Need {
  type: string;
  nodes: readonly NodeAccount[];
}

export class Accounts {
  list: readonly Connector[] = [];
  forms: readonly ConnectorForm[] = [];
  /** Both have been read. */
  known = false;
  trouble = "";
  #closed = false;
  /** Looks that were begun: what one says that was overtaken by the next is old. */
  #looks = 0;

  constructor(
    private readonly connectors: Connectors,
    private readonly changed: () => void,
    private readonly refused: (message: string) => void,
  ) {}

  close(): void {
    this.#closed = true;
  }

  async look(): Promise<void> {
    this.#looks += 1;
    const since = this.#looks;
    try {
      const [list, forms] = await Promise.all([this.connectors.list(), this.forms.length ? this.forms : this.connectors.types()]);
      if (this.#closed || since !== this.#looks) return;
      this.list = list;
      this.forms = forms;
      this.known = true;
      this.trouble = "";
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      if (this.#closed) return;
      if (error.status === 401) return this.refused(error.message);
      this.trouble = error.message;
    }
    this.changed();
  }

  /** Makes one, or with an id changes it; without a config only its name. Raises HttpError. */
  async save(type: string, id: string | null, name: string, config: JsonObject | null): Promise<Connector> {
    const saved = id === null ? await this.connectors.create(type, name, config ?? {}) : await this.connectors.change(id, name, config);
    await this.look();
    return saved;
  }

  /** Raises HttpError. */
  async remove(id: string): Promise<void> {
    try {
      await this.connectors.remove(id);
    } catch (error) {
      // It was removed elsewhere.
      if (!(error instanceof HttpError) || error.status !== 404) throw error;
    }
    await this.look();
  }

  /** Raises HttpError. */
  async test(id: string): Promise<Outcome> {
    const outcome = await this.connectors.test(id);
    await this.look();
    return outcome;
  }

  of(type: string): readonly Connector[] {
    return this.list.filter((each) => each.type === type);
  }

  form(type: string): ConnectorForm | null {
    return this.forms.find((each) => each.type === type) ?? null;
  }

  /** The type in words. */
  title(type: string): string {
    return this.form(type)?.title ?? type;
  }
}

/** What is left to connect or to choose, by type. Pure. */
export function needsOf(connectors: readonly NodeAccount[]): Need[] {
  const types = new Map<string, NodeAccount[]>();
  for (const each of connectors) {
    if (each.missing !== null) types.set(each.type, [...(types.get(each.type) ?? []), each]);
  }
  return [...types].map(([type, nodes]) => ({ type, nodes }));
}
