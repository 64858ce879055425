// Places a workflow's nodes in layers, top to bottom: a node stands below everything that leads to it.
// Pure. A cycle (never in a valid definition) cannot make it loop. Caller: the graph view.
import type { Definition } from "./wire";

export const NODE_WIDTH = 208;
export const NODE_HEIGHT = 52;
const GAP_X = 24;
const GAP_Y = 46;
const MARGIN = 12;

export interface Placed {
  id: string;
  x: number;
  y: number;
}

export interface Edge {
  from: string;
  to: string;
  label: string;
  loop: boolean;
}

export interface Layout {
  width: number;
  height: number;
  nodes: Placed[];
  edges: Edge[];
}

export function edgesOf(definition: Definition): Edge[] {
  const edges: Edge[] = [];
  for (const [from, node] of Object.entries(definition.nodes)) {
    for (const to of node.children ?? []) {
      const child = definition.nodes[to];
      if (child) edges.push({ from, to, label: (child.branch ?? "").replaceAll("_", " "), loop: false });
    }
    for (const to of node.loopBody ?? []) {
      if (definition.nodes[to]) edges.push({ from, to, label: "each", loop: true });
    }
  }
  return edges;
}

export function layOut(definition: Definition): Layout {
  const ids = Object.keys(definition.nodes);
  const edges = edgesOf(definition);
  const layers = sortLayers(layersOf(ids, edges), edges);
  const widest = Math.max(1, ...layers.map((layer) => layer.length));
  const width = widest * NODE_WIDTH + (widest - 1) * GAP_X + 2 * MARGIN;
  const height = layers.length * NODE_HEIGHT + Math.max(0, layers.length - 1) * GAP_Y + 2 * MARGIN;
  const nodes = layers.flatMap((layer, row) => {
    const span = layer.length * NODE_WIDTH + (layer.length - 1) * GAP_X;
    const left = (width - span) / 2;
    const y = MARGIN + row * (NODE_HEIGHT + GAP_Y);
    return layer.map((id, column) => ({ id, x: left + column * (NODE_WIDTH + GAP_X), y }));
  });
  return { width, height, nodes, edges };
}

/** Longest path from a root, by Kahn's algorithm; what a cycle leaves over goes to the last layer. */
function layersOf(ids: readonly string[], edges: readonly Edge[]): string[][] {
  const waiting = new Map(ids.map((id) => [id, edges.filter((edge) => edge.to === id).length]));
  const depth = new Map<string, number>();
  const free = ids.filter((id) => waiting.get(id) === 0);
  for (const id of free) depth.set(id, 0);
  for (let id = free.shift(); id !== undefined; id = free.shift()) {
    for (const edge of edges.filter((other) => other.from === id)) {
      depth.set(edge.to, Math.max(depth.get(edge.to) ?? 0, depth.get(id)! + 1));
      const left = waiting.get(edge.to)! - 1;
      waiting.set(edge.to, left);
      if (left === 0) free.push(edge.to);
    }
  }
  const deepest = Math.max(0, ...depth.values());
  const layers: string[][] = Array.from({ length: ids.length ? deepest + 1 : 0 }, () => []);
  for (const id of ids) layers[waiting.get(id) === 0 ? depth.get(id)! : deepest]?.push(id);
  return layers;
}

/** Orders each layer by where its parents stand, so that few edges cross. */
function sortLayers(layers: string[][], edges: readonly Edge[]): string[][] {
  const place = new Map<string, number>();
  return layers.map((layer) => {
    const wish = (id: string): number => {
      const parents = edges.filter((edge) => edge.to === id).map((edge) => place.get(edge.from) ?? 0.5);
      return parents.length ? parents.reduce((sum, value) => sum + value, 0) / parents.length : 0.5;
    };
    const sorted = layer.map((id) => ({ id, wish: wish(id) })).sort((a, b) => a.wish - b.wish).map(({ id }) => id);
    sorted.forEach((id, position) => place.set(id, (position + 0.5) / sorted.length));
    return sorted;
  });
}
