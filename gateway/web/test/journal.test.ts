import assert from "node:assert/strict";
import { test } from "node:test";
import { Journal, RECENT_EVENTS } from "../src/journal";
import { layOut } from "../src/layout";
import type { Definition, EventData, EventType, LogEvent } from "../src/wire";

function log(...entries: { [T in EventType]: [T, EventData[T]] }[EventType][]): LogEvent[] {
  return entries.map(([type, data], position) => ({ index: position + 1, ts: "2026-01-01T00:00:00.000Z", runId: "r1", type, data }) as LogEvent);
}

function follow(events: LogEvent[]): Journal {
  const journal = new Journal();
  for (const event of events) assert.equal(journal.accept(event), "applied");
  return journal;
}

const TURN = log(
  ["message.user", { messageId: "m1", text: "hello", requestId: "q1" }],
  ["run.started", { mode: "building" }],
  ["message.started", { messageId: "m2" }],
  ["message.delta", { messageId: "m2", text: "Good " }],
  ["message.delta", { messageId: "m2", text: "day" }],
  ["node", { action: "add", nodeId: "root", node: { type: "manual" } }],
  ["message.completed", { messageId: "m2", text: "Good day" }],
  ["run.finished", { outcome: "completed" }],
);

test("deltas add up to the completed text", () => {
  const cut = follow(TURN.slice(0, 5)).view.state;
  assert.deepEqual(cut.messages.map(({ text, status }) => [text, status]), [["hello", "completed"], ["Good day", "streaming"]]);
  assert.equal(cut.runId, "r1");
  const whole = follow(TURN).view.state;
  assert.deepEqual(whole.messages.at(-1)?.status, "completed");
  assert.deepEqual(whole.definition, { nodes: { root: { type: "manual" } } });
  assert.equal(whole.runId, null);
});

test("an index counts once and a hole changes nothing", () => {
  const journal = follow(TURN.slice(0, 3));
  assert.equal(journal.accept(TURN[2]!), "stale");
  assert.equal(journal.accept(TURN[4]!), "hole");
  assert.equal(journal.last, 3);
  assert.equal(journal.view.state.messages.at(-1)?.text, "");
});

test("a merged delta stands for all its indices", () => {
  const journal = follow(TURN.slice(0, 3));
  const merged = { ...TURN[4]!, from: 4, data: { messageId: "m2", text: "Good day" } } as LogEvent;
  assert.equal(journal.accept(merged), "applied");
  assert.equal(journal.last, 5);
  assert.equal(journal.view.state.messages.at(-1)?.text, "Good day");
});

test("a restarted run's output above keepThrough no longer counts", () => {
  const events = log(
    ["message.user", { messageId: "m1", text: "hello" }],
    ["run.started", {}],
    ["message.started", { messageId: "m2" }],
    ["message.delta", { messageId: "m2", text: "half" }],
    ["node", { action: "add", nodeId: "lost", node: { type: "manual" } }],
    ["tool.started", { toolCallId: "t1", name: "search", args: {} }],
    ["run.restarted", { attempt: 2, keepThrough: 2 }],
    ["message.started", { messageId: "m3" }],
    ["message.completed", { messageId: "m3", text: "whole" }],
    ["run.finished", { outcome: "completed" }],
  );
  const { state, timeline } = follow(events).view;
  assert.deepEqual(state.messages.map(({ id, text }) => [id, text]), [["m1", "hello"], ["m3", "whole"]]);
  assert.equal(state.definition, null);
  assert.deepEqual(timeline.items.map(({ kind }) => kind), ["message", "notice", "message"]);
});

test("a failed run gives the definition back and marks what it left unfinished", () => {
  const journal = follow(TURN);
  const later: [EventType, unknown][] = [
    ["run.started", {}],
    ["node", { action: "remove", nodeId: "root" }],
    ["message.started", { messageId: "m4" }],
    ["tool.started", { toolCallId: "t1", name: "search", args: {} }],
    ["run.failed", { code: "MODEL_FAILED", message: "away", retryable: true }],
  ];
  later.forEach(([type, data], position) =>
    journal.accept({ index: 9 + position, ts: "", runId: "r2", type, data } as LogEvent));
  const { state, timeline } = journal.view;
  assert.deepEqual(Object.keys(state.definition?.nodes ?? {}), ["root"]);
  assert.equal(state.messages.at(-1)?.status, "failed");
  assert.deepEqual(timeline.items.flatMap((item) => (item.kind === "tool" ? [item.status] : [])), ["stopped"]);
});

test("questions open and close", () => {
  const asked = log(["input.requested", { inputId: "i1", kind: "question", body: { text: "Which?" } }]);
  const journal = follow(asked);
  assert.deepEqual(Object.keys(journal.view.state.inputs), ["i1"]);
  journal.accept({ index: 2, ts: "", type: "input.resolved", data: { inputId: "i1", by: "7", value: "this" } });
  assert.deepEqual(journal.view.state.inputs, {});
  const [row] = journal.view.timeline.items;
  assert.deepEqual(row?.kind === "input" && row.resolution, { by: "7", value: "this" });
});

test("a resync replaces everything, and events go on behind its head", () => {
  const journal = follow(TURN);
  journal.replace({ messages: [{ id: "a", role: "user", text: "old" }], definition: { nodes: {} }, run: { runId: "r9" }, inputs: [], head: 40, epoch: "e2" });
  assert.equal(journal.last, 40);
  assert.equal(journal.epoch, "e2");
  assert.equal(journal.view.state.runId, "r9");
  assert.equal(journal.recent.length, 0);
  assert.equal(journal.accept({ ...TURN[0]!, index: 41 }), "applied");
  assert.deepEqual(journal.view.state.messages.map(({ text }) => text), ["old", "hello"]);
});

test("another epoch is another log, the first one known is not", () => {
  const journal = follow(TURN);
  assert.equal(journal.enter("e1"), false);
  assert.equal(journal.last, 8);
  assert.equal(journal.enter("e1"), false);
  assert.equal(journal.enter("e2"), true);
  assert.equal(journal.last, 0);
  assert.deepEqual(journal.view.state.messages, []);
});

test("the event list keeps the newest only", () => {
  const many = Array.from({ length: RECENT_EVENTS + 20 }, (_, position) => ["thinking", { text: `${position}` }] as ["thinking", { text: string }]);
  const journal = follow(log(...many));
  assert.equal(journal.recent.length, RECENT_EVENTS);
  assert.equal(journal.recent[0]?.index, 21);
});

test("unknown types pass by", () => {
  const journal = follow(TURN);
  assert.equal(journal.accept({ index: 9, ts: "", type: "weather", data: {} } as unknown as LogEvent), "applied");
  assert.equal(journal.view.state.messages.length, 2);
});

test("a node stands below all its parents, also when the graph has a cycle", () => {
  const definition: Definition = {
    nodes: {
      root: { type: "cronjob", children: ["get", "check"] },
      get: { type: "http-request", children: ["check"] },
      check: { type: "if", children: ["post", "log", "gone"] },
      post: { type: "slack-send-message", branch: "then" },
      log: { type: "log", branch: "else" },
    },
  };
  const { nodes, edges } = layOut(definition);
  const y = new Map(nodes.map((placed) => [placed.id, placed.y]));
  for (const edge of edges) assert.ok(y.get(edge.from)! < y.get(edge.to)!, `${edge.from} → ${edge.to}`);
  assert.deepEqual(edges.filter((edge) => edge.label).map((edge) => edge.label), ["then", "else"]);
  assert.equal(layOut({ nodes: { a: { type: "log", children: ["b"] }, b: { type: "log", children: ["a"] } } }).nodes.length, 2);
  assert.deepEqual(layOut({ nodes: {} }).nodes, []);
});
