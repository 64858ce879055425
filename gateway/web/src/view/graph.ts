// A definition as a small layered graph, with what each node has come to when it ran. Elements are kept by node id, so a
// node that moves glides and only a new one appears. Caller: the workflow's section.
import { h, set, setText, svg } from "../dom";
import { layOut, NODE_HEIGHT, NODE_WIDTH, type Edge, type Placed } from "../layout";
import type { Definition, ExecutionNode, WorkflowNode } from "../wire";
import { duration } from "./rows";

/** Beside a state there is less room. */
const TITLE_CHARACTERS = 22, TITLE_CHARACTERS_BESIDE = 15;
const SUBTITLE_CHARACTERS = 24;
const FAMILIES: readonly [string, readonly string[]][] = [
  ["trigger", ["manual", "trigger_chat", "webhook", "cronjob"]],
  ["logic", ["if", "for-each", "filter", "pluck", "format", "regex", "log", "delay", "wait", "set-variable", "merge"]],
  ["model", ["agent", "summarize", "extract-json", "classify"]],
];

/** Node id → what it has come to; runs: how often it ran, in loops. */
export type States = Readonly<Record<string, Pick<ExecutionNode, "status" | "error" | "durationMs"> & { runs?: number }>>;

interface Shape {
  group: SVGGElement;
  title: SVGTextElement;
  subtitle: SVGTextElement;
  hover: SVGTitleElement;
  state: SVGTextElement;
}

export class Graph {
  readonly element: HTMLElement;
  readonly #empty = h("p", { class: "muted empty" }, "The workflow appears here while it is built.");
  readonly #edges = svg("g", { class: "edges" });
  readonly #nodes = svg("g", { class: "nodes" });
  readonly #canvas = svg("svg", { class: "graph", role: "group", "aria-label": "Workflow graph", "data-testid": "graph" }, arrowhead(), this.#edges, this.#nodes);
  readonly #shapes = new Map<string, Shape>();
  #definition: Definition | null = null;
  #states: States = {};
  #left: ReadonlySet<string> = new Set();
  #chosen: string | null = null;

  /** choose: a node was chosen, or (null) no longer is. */
  constructor(private readonly choose: (id: string | null) => void) {
    this.element = h("div", { class: "canvas" }, this.#empty, this.#canvas);
  }

  /** left: nodes without their outside account. */
  render(definition: Definition | null, states: States, chosen: string | null, left: ReadonlySet<string>): void {
    if (definition !== this.#definition || states !== this.#states || left !== this.#left) {
      this.#left = left;
      this.#definition = definition;
      this.#states = states;
      this.#draw();
    }
    this.#chosen = chosen;
    for (const [id, { group }] of this.#shapes) set(group, "aria-pressed", id === chosen ? "true" : "false");
  }

  #draw(): void {
    const nodes = this.#definition?.nodes ?? {};
    const count = Object.keys(nodes).length;
    const layout = layOut({ nodes });
    this.#empty.hidden = count > 0;
    set(this.#canvas, "class", count ? "graph" : "graph hidden");
    set(this.#canvas, "viewBox", `0 0 ${layout.width} ${layout.height}`);
    set(this.#canvas, "width", layout.width);
    for (const [id, shape] of this.#shapes) {
      if (nodes[id]) continue;
      shape.group.remove();
      this.#shapes.delete(id);
    }
    for (const placed of layout.nodes) this.#place(placed, nodes[placed.id]!);
    const places = new Map(layout.nodes.map((placed) => [placed.id, placed]));
    this.#edges.replaceChildren(...layout.edges.flatMap((edge) => curve(edge, places.get(edge.from)!, places.get(edge.to)!)));
  }

  #place({ id, x, y }: Placed, node: WorkflowNode): void {
    const shape = this.#shapes.get(id) ?? this.#create(id);
    const title = node.titleOverride || node.type;
    const state = this.#states[id];
    const left = !state && this.#left.has(id);
    const note = state ? `, ${state.status}${state.error ? `: ${state.error}` : ""}` : left ? ", needs an account" : "";
    shape.group.style.transform = `translate(${x}px, ${y}px)`;
    set(shape.group, "data-family", FAMILIES.find(([, types]) => types.includes(node.type))?.[0] ?? "action");
    set(shape.group, "data-type", node.type);
    set(shape.group, "data-state", state?.status);
    set(shape.group, "data-left", left ? "account" : undefined);
    set(shape.group, "aria-label", `${title} (${id})${note}`);
    setText(shape.title, cut(title, state || left ? TITLE_CHARACTERS_BESIDE : TITLE_CHARACTERS));
    setText(shape.subtitle, cut(node.description || gist(node) || id, SUBTITLE_CHARACTERS));
    setText(shape.hover, `${id}: ${node.type}${node.description ? `\n${node.description}` : ""}${note}`);
    setText(shape.state, state ? brief(state) : left ? "connect …" : "");
  }

  #create(id: string): Shape {
    const shape: Shape = {
      title: svg("text", { class: "title", x: 16, y: 22 }),
      subtitle: svg("text", { class: "subtitle", x: 16, y: 39 }),
      state: svg("text", { class: "state", x: NODE_WIDTH - 10, y: 16, "text-anchor": "end" }),
      hover: svg("title"),
      group: svg("g", {
        class: "node", tabindex: 0, role: "button", "data-testid": "node", "data-node-id": id,
        click: () => this.choose(this.#chosen === id ? null : id),
        keydown: (event) => {
          const { key } = event as KeyboardEvent;
          if (key !== "Enter" && key !== " ") return;
          event.preventDefault();
          this.choose(this.#chosen === id ? null : id);
        },
      }),
    };
    shape.group.append(
      shape.hover,
      svg("rect", { class: "box", width: NODE_WIDTH, height: NODE_HEIGHT, rx: 10 }),
      svg("rect", { class: "stripe", x: 6, y: 10, width: 3, height: NODE_HEIGHT - 20, rx: 1.5 }),
      shape.title, shape.subtitle, shape.state);
    this.#nodes.append(shape.group);
    this.#shapes.set(id, shape);
    return shape;
  }
}

function curve(edge: Edge, from: Placed, to: Placed): SVGElement[] {
  const [x1, y1, x2, y2] = [from.x + NODE_WIDTH / 2, from.y + NODE_HEIGHT, to.x + NODE_WIDTH / 2, to.y - 3];
  const bend = Math.max(20, Math.abs(y2 - y1) / 2);
  const path = svg("path", { class: edge.loop ? "edge loop" : "edge", d: `M${x1},${y1} C${x1},${y1 + bend} ${x2},${y2 - bend} ${x2},${y2}`, "marker-end": "url(#arrow)", "data-testid": "edge", "data-from": edge.from, "data-to": edge.to });
  if (!edge.label) return [path];
  const [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2];
  const width = edge.label.length * 6.6 + 14;
  return [path,
    svg("g", { class: "branch", "data-testid": "branch" },
      svg("rect", { x: x - width / 2, y: y - 9, width, height: 18, rx: 9 }),
      svg("text", { x, y: y + 4, "text-anchor": "middle" }, edge.label))];
}

function arrowhead(): SVGElement {
  return svg("defs", {}, svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 6, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" }, svg("path", { d: "M0,0.6 L7,4 L0,7.4 z", class: "tip" })));
}

/** How a node stands, in its corner. */
function brief({ status, durationMs, runs = 1 }: States[string]): string {
  const times = runs > 1 ? `${runs}× ` : "";
  return times + (durationMs && status === "success" ? `✓ ${duration(durationMs)}` : MARKS[status]);
}

const MARKS: Record<ExecutionNode["status"], string> = {
  pending: "", running: "running …", waiting: "waiting", success: "✓", failed: "✕ failed", skipped: "skipped",
};

/** What says most about a node: where it goes, whom it tells, when it starts. */
const TELLING = ["url", "channel", "to", "rrule", "cron", "query", "prompt", "text"];

/** The payload's most telling value. */
function gist(node: WorkflowNode): string {
  const payload = node.payload ?? {};
  const values = [...TELLING.map((name) => payload[name]), ...Object.values(payload)];
  return String(values.find((value) => typeof value === "string" && value) ?? values.find((value) => typeof value === "number") ?? "");
}

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}
