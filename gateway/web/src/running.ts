// Running the chat's workflow: what there is to run, what ran, and the one execution that is looked at, live.
// Invariant: at most one execution is followed, and none that is over; what is shown of it is a function of what the
// server stores and its log. Caller: the page.
import { follow, over, stored, type Execution } from "./execution";
import type { ChatWorkflow, ExecutionSummary, Executions, NodeAccount } from "./executions";
import { Follower } from "./follower";
import { HttpError } from "./http";
import type { Ack, Json, JsonObject } from "./wire";

/** Changes of the chat that come together cause one look. */
const SETTLE_MS = 120;
/** After a look that failed. */
const AGAIN_MS = 5_000;

export class Running {
  workflow: ChatWorkflow | null = null;
  list: readonly ExecutionSummary[] = [];
  execution: Execution | null = null;
  /** A request that the visitor waits for is under way. */
  busy = false;
  trouble = "";
  /** What is known of the workflow is older than the chat. */
  stale = true;
  #follower: Follower | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The newest execution this page knows of; null: it has not looked yet. */
  #newest: string | null = null;
  #closed = false;
  /** Looks that were asked for: one that was overtaken by the next knows too little. */
  #looks = 0;

  constructor(
    private readonly executions: Executions | null,
    private readonly chat: string,
    private readonly changed: () => void,
    private readonly refused: (message: string) => void,
  ) {}

  get possible(): boolean {
    return this.executions !== null;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#unfollow();
  }

  /** The chat has changed: what there is to run may have, too, and the agent may have run it. */
  look(): void {
    this.stale = true;
    this.#later(SETTLE_MS);
  }

  /** Keeps the workflow as it is on the canvas and runs it. Answers with whether it has begun. */
  run(triggerNodeId: string | null, inputs: JsonObject): Promise<boolean> {
    return this.#asked(async (executions) => {
      this.workflow = await executions.keep(this.chat);
      const started = await executions.start(this.workflow.workflowId!, triggerNodeId, inputs);
      await this.#show(executions, started.id);
      this.list = await executions.list(this.workflow.workflowId!);
      this.#newest = started.id;
    });
  }

  /** Lets steps use an account; null: none in particular. Answers with whether it is kept. */
  connect(nodeIds: readonly string[], connectorId: string | null): Promise<boolean> {
    return this.#asked(async (executions) => {
      const chosen = Object.fromEntries(nodeIds.map((id) => [id, connectorId]));
      this.workflow = await executions.connect(this.chat, chosen);
      // A look that began before has an older answer.
      this.look();
    });
  }

  /** After an account was made for steps: those that have none all the same are given it. */
  connected(nodes: readonly NodeAccount[], connectorId: string): Promise<boolean> {
    return this.#asked(async (executions) => {
      const workflow = await executions.workflow(this.chat);
      const left = workflow.connectors.filter((each) => each.connectorId === null && nodes.some(({ nodeId }) => nodeId === each.nodeId));
      const chosen = Object.fromEntries(left.map(({ nodeId }) => [nodeId, connectorId]));
      this.workflow = left.length ? await executions.connect(this.chat, chosen) : workflow;
      this.look();
    });
  }

  /** null: back to the canvas. */
  async choose(id: string | null): Promise<void> {
    if (id !== null) {
      await this.#asked((executions) => this.#show(executions, id));
      return;
    }
    this.#unfollow();
    this.execution = null;
    this.trouble = "";
    this.changed();
  }

  async cancel(): Promise<void> {
    const { execution } = this;
    if (execution) await this.#asked(async (executions) => void (await executions.cancel(execution.id)));
  }

  async answer(inputId: string, value: Json): Promise<Ack> {
    const { execution } = this;
    try {
      await this.executions!.answer(execution!.id, inputId, value);
      return { ok: true };
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      return { ok: false, message: error.message };
    }
  }

  #later(delayMs: number): void {
    this.#looks += 1;
    clearTimeout(this.#timer);
    if (!this.#closed) this.#timer = setTimeout(() => void this.#look(), delayMs);
  }

  async #look(): Promise<void> {
    const { executions } = this;
    if (!executions || this.#closed) return;
    const since = this.#looks;
    try {
      const workflow = await executions.workflow(this.chat);
      const list = workflow.workflowId === null ? [] : await executions.list(workflow.workflowId);
      if (this.#closed) return;
      this.workflow = workflow;
      this.list = list;
      this.stale = since !== this.#looks;
      this.changed();
      await this.#notice(executions, list[0]);
    } catch (error) {
      this.#failed(error);
      const { status } = error as HttpError;
      if (status === 0 || status === 429 || status >= 500) this.#later(AGAIN_MS);
    }
  }

  /** What is at work, or what the agent has run just now, is shown by itself, once: the visitor may have closed it. */
  async #notice(executions: Executions, newest: ExecutionSummary | undefined): Promise<void> {
    const first = this.#newest === null;
    const known = newest === undefined || newest.id === this.#newest;
    this.#newest = newest?.id ?? "";
    if (known || (this.execution && !over(this.execution))) return;
    const ran = newest.trigger === "agent" && !first;
    if (ran || (!over(newest) && !this.execution)) await this.#show(executions, newest.id);
  }

  async #asked(action: (executions: Executions) => Promise<void>): Promise<boolean> {
    if (!this.executions || this.busy) return false;
    this.busy = true;
    this.trouble = "";
    this.changed();
    try {
      await action(this.executions);
      return true;
    } catch (error) {
      this.#failed(error);
      return false;
    } finally {
      this.busy = false;
      this.changed();
    }
  }

  #failed(error: unknown): void {
    if (!(error instanceof HttpError)) throw error;
    if (this.#closed) return;
    if (error.status === 401) return this.refused(error.message);
    this.trouble = error.message;
    this.changed();
  }

  async #show(executions: Executions, id: string): Promise<void> {
    if (this.execution?.id !== id) this.#unfollow();
    const details = await executions.get(id);
    if (this.#closed) return;
    this.execution = stored(details, this.execution);
    if (!over(this.execution)) this.#follow(executions, id);
    this.changed();
  }

  #follow(executions: Executions, id: string): void {
    if (this.#follower) return;
    let placed = false;
    const follower: Follower = new Follower(
      async () => {
        const session = await executions.session(id);
        if (!placed) follower.journal.startAfter(session.lastEventIndex);
        placed = true;
        return session;
      },
      {
        ready: () => undefined,
        applied: (event) => {
          if (this.execution?.id !== id) return;
          this.execution = follow(this.execution, event);
          if (over(this.execution)) void this.#settle(executions, id);
          this.changed();
        },
        // The log no longer has what came before: the store does.
        replaced: () => void this.#again(executions, id),
        status: () => undefined,
        trouble: (message) => {
          this.trouble = message;
          this.changed();
        },
        refused: this.refused,
      },
    );
    this.#follower = follower;
    follower.connection.start();
  }

  /** After its end: whole results, times, and the list. */
  async #settle(executions: Executions, id: string): Promise<void> {
    this.#unfollow();
    await this.#again(executions, id);
    this.look();
  }

  async #again(executions: Executions, id: string): Promise<void> {
    try {
      const details = await executions.get(id);
      if (this.#closed || this.execution?.id !== id) return;
      this.execution = stored(details, this.execution);
      if (over(this.execution)) this.#unfollow();
      this.changed();
    } catch (error) {
      this.#failed(error);
    }
  }

  #unfollow(): void {
    this.#follower?.connection.close();
    this.#follower = null;
  }
}
