import assert from "node:assert/strict";
import { test } from "node:test";
import { follow, nodeStates, over, runsOf, stored, type Execution } from "../src/execution";
import type { ExecutionDetails } from "../src/executions";
import { fieldsOf, read, triggersOf, type Field } from "../src/inputs";
import type { EventType, LogEvent } from "../src/wire";

const DETAILS: ExecutionDetails = {
  id: "x1", workflowId: "w1", version: 2, status: "pending", trigger: "manual", createdAt: "2026-01-01T00:00:00.000Z",
  startedAt: null, durationMs: null, error: null, errorNodeId: null, output: null, definition: null, waiting: [], steps: [],
};
const ASKED = { inputId: "i1", kind: "question" as const, body: { text: "Go on?", nodeId: "ok" } };

function told(execution: Execution, ...entries: [EventType, object, string?][]): Execution {
  return entries.reduce((known, [type, data, runId = "x1"], position) =>
    follow(known, { index: position + 1, ts: "2026-01-01T00:00:00.000Z", runId, type, data } as LogEvent), execution);
}

const RUN: [EventType, object][] = [
  ["run.started", { kind: "execution" }],
  ["execution.node", { nodeId: "root", status: "success", output: {}, durationMs: 0 }],
  ["execution.node", { nodeId: "ok", status: "waiting", input: { message: "Go on?" } }],
  ["input.requested", ASKED],
];
const END: [EventType, object][] = [
  ["input.resolved", { inputId: "i1", by: "1", value: "approve" }],
  ["execution.node", { nodeId: "ok", status: "success", output: { approved: true }, durationMs: 12 }],
  ["run.finished", { outcome: "completed", result: { message: "", output: { approved: true } } }],
];

test("a run waits, is answered and ends with its output", () => {
  const waiting = told(stored(DETAILS, null), ...RUN);
  assert.equal(waiting.status, "waiting");
  assert.equal(waiting.asked[0]?.resolution, null);
  const ended = told(waiting, ...END);
  assert.deepEqual([ended.status, ended.output, over(ended)], ["completed", { approved: true }, true]);
  assert.deepEqual(ended.asked[0]?.resolution, { by: "1", value: "approve" });
  assert.deepEqual(nodeStates(ended).ok?.input, { message: "Go on?" });
});

test("a log that is read again from its beginning changes nothing", () => {
  const ended = told(stored(DETAILS, null), ...RUN, ...END);
  const again = told(ended, ...RUN, ...END);
  assert.deepEqual([again.status, [...again.steps.values()], again.asked], [ended.status, [...ended.steps.values()], ended.asked]);
});

test("what the server stores and what the log tells make one picture, whichever comes first", () => {
  const details: ExecutionDetails = {
    ...DETAILS, status: "running", waiting: [ASKED],
    steps: [
      { nodeId: "root", path: "", status: "success", label: "", input: null, output: {}, error: null, durationMs: 0 },
      { nodeId: "ok", path: "", status: "waiting", label: "", input: { message: "Go on?" }, output: null, error: null, durationMs: null },
    ],
  };
  const first = told(stored(details, null), ...RUN);
  const last = stored(details, told(stored(DETAILS, null), ...RUN));
  assert.deepEqual([first.status, [...first.steps], first.asked.length], [last.status, [...last.steps], last.asked.length]);
  assert.equal(first.status, "waiting");
  const late = stored(details, told(first, ...END));
  assert.deepEqual([late.status, late.output], ["completed", { approved: true }]);
});

test("a loop's node shows its newest run and keeps the others", () => {
  const execution = told(stored(DETAILS, null),
    ["execution.node", { nodeId: "log", path: "each:0", status: "success", output: 1 }],
    ["execution.node", { nodeId: "log", path: "each:1", status: "failed", error: "no" }],
    ["run.failed", { code: "RUN_FAILED", message: "log: no", retryable: false }]);
  assert.deepEqual([nodeStates(execution).log?.runs, nodeStates(execution).log?.error], [2, "no"]);
  assert.deepEqual(runsOf(execution, "log").map(({ path }) => path), ["each:0", "each:1"]);
  assert.deepEqual([execution.status, execution.error, execution.errorNodeId], ["failed", "log: no", "log"]);
});

test("another run of the same conversation is not this one", () => {
  const execution = stored(DETAILS, null);
  assert.equal(told(execution, ["run.failed", { code: "X", message: "no", retryable: false }, "other"]), execution);
});

const NODES = { talk: { type: "trigger_chat" }, start: { type: "manual" }, log: { type: "log" } };

test("the server's choice of a trigger comes first, and a chat trigger is given a message", () => {
  const definition = { nodes: NODES, triggerNodeIds: ["talk", "start"] };
  assert.deepEqual(triggersOf(definition).map(({ id }) => id), ["start", "talk"]);
  assert.deepEqual(fieldsOf(definition, "start"), []);
  assert.deepEqual(fieldsOf(definition, "talk").map(({ key, required }) => [key, required]), [["text", true]]);
});

test("what is typed becomes the field's type, or says what was expected", () => {
  const field = (type: Field["type"], required = false): Field => ({ key: "k", label: "k", type, required, description: "", long: false });
  assert.deepEqual(read(field("number"), " 2.5 "), { value: 2.5 });
  assert.deepEqual(read(field("number"), "two"), { fault: "expected a number" });
  assert.deepEqual(read(field("array"), "[1]"), { value: [1] });
  assert.deepEqual(read(field("object"), "[1]"), { fault: "expected JSON of type object" });
  assert.deepEqual(read(field("boolean"), true), { value: true });
  assert.deepEqual(read(field("string", true), ""), { fault: "a value is needed" });
  assert.deepEqual(read(field("string"), ""), {});
});
