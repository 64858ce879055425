// The reader's side of the log: takes each index once and in order, notices holes, and keeps the folded view.
// Invariant: `view` is the fold of every event that still counts up to `last`; a restarted run's earlier output above
// `keepThrough` does not. Callers: the page (connection in, rendering out) and the tests.
import { apply, EMPTY, overhear, restore, type State } from "./fold";
import { BLANK, extend, outline, type Timeline } from "./timeline";
import type { LogEvent, Resync } from "./wire";

export const RECENT_EVENTS = 500;

export interface View {
  readonly state: State;
  readonly timeline: Timeline;
  /** What v1 said on runs with two sides. */
  readonly aside: State["messages"];
}

export type Verdict = "applied" | "stale" | "hole";

const NOTHING: View = { state: EMPTY, timeline: BLANK, aside: [] };

export class Journal {
  last = 0;
  epoch = "";
  view: View = NOTHING;
  /** The newest events, for the event list. Replaced, never changed, when the log starts anew. */
  recent: LogEvent[] = [];
  /** The view when no run was active, and the events since: what a restart folds again. */
  #settled: View = NOTHING;
  #since: LogEvent[] = [];

  /** Accounts for one event. "hole": events before it are missing; nothing was changed. */
  accept(event: LogEvent): Verdict {
    if (event.index <= this.last) return "stale";
    if ((event.from ?? event.index) > this.last + 1) return "hole";
    this.last = event.index;
    this.recent.push(event);
    if (this.recent.length > RECENT_EVENTS) this.recent.splice(0, this.recent.length - RECENT_EVENTS);
    if (event.type === "run.restarted") {
      const { keepThrough } = event.data;
      this.#since = this.#since.filter((other) => other.runId !== event.runId || other.index <= keepThrough);
      this.view = this.#since.reduce(step, this.#settled);
    }
    this.#since.push(event);
    this.view = step(this.view, event);
    if (this.view.state.runId === null && (event.type === "run.finished" || event.type === "run.failed")) this.#settle();
    return "applied";
  }

  /** What was said up to this index is not asked for. */
  startAfter(index: number): void {
    this.#restart(NOTHING, index);
  }

  /** Takes note of the log's epoch. True: it is another log than the one followed so far, and the view is empty. */
  enter(epoch: string): boolean {
    const renewed = this.epoch !== "" && epoch !== this.epoch;
    this.epoch = epoch;
    if (renewed) this.#restart(NOTHING, 0);
    return renewed;
  }

  /** Puts the state the server sends in place of everything known. */
  replace(packet: Resync): void {
    if (packet.epoch) this.epoch = packet.epoch;
    const state = restore(packet);
    this.#restart({ state, timeline: outline(state), aside: [] }, packet.head);
  }

  #restart(view: View, last: number): void {
    this.last = last;
    this.view = view;
    this.recent = [];
    this.#settle();
  }

  #settle(): void {
    this.#settled = this.view;
    this.#since = [];
  }
}

function step(view: View, event: LogEvent): View {
  return {
    state: apply(view.state, event),
    timeline: extend(view.timeline, event, view.state.runId),
    aside: overhear(view.aside, event),
  };
}
