import assert from "node:assert/strict";
import { test } from "node:test";
import { Journal } from "../src/journal";
import { Outbox, whereabouts, type Outgoing } from "../src/outbox";
import { lines } from "../src/proposal";
import { decided } from "../src/timeline";
import type { Ack, EventType, LogEvent, Proposal, Side } from "../src/wire";

type Entry = [type: EventType, data: object, side?: Side];

function follow(...entries: Entry[]): Journal {
  const journal = new Journal();
  entries.forEach(([type, data, agentVersion], position) => {
    const event = { index: position + 1, ts: "2026-01-01T00:00:00.000Z", runId: "r1", type, data, ...(agentVersion && { agentVersion }) };
    assert.equal(journal.accept(event as LogEvent), "applied");
  });
  return journal;
}

const BOTH: Entry[] = [
  ["message.user", { messageId: "m1", text: "build it" }],
  ["run.started", { agentVersion: "both" }],
  ["message.started", { messageId: "a" }, "v1"],
  ["message.started", { messageId: "b" }, "v2"],
  ["message.delta", { messageId: "a", text: "one" }, "v1"],
  ["tool.started", { toolCallId: "t", name: "first", args: {} }, "v1"],
  ["tool.started", { toolCallId: "t", name: "second", args: {} }, "v2"],
  ["tool.finished", { toolCallId: "t", name: "first", ok: false, error: "no" }, "v1"],
  ["node", { action: "add", nodeId: "x", node: { type: "log" } }, "v1"],
  ["node", { action: "add", nodeId: "y", node: { type: "manual" } }, "v2"],
  ["message.completed", { messageId: "b", text: "two" }, "v2"],
];

test("of two sides both are shown and v2's is kept", () => {
  const { state, aside, timeline } = follow(...BOTH).view;
  assert.deepEqual(state.messages.map(({ text }) => text), ["build it", "two"]);
  assert.deepEqual(Object.keys(state.definition?.nodes ?? {}), ["y"]);
  assert.deepEqual(aside.map(({ text, status }) => [text, status]), [["one", "streaming"]]);
  assert.deepEqual(timeline.items.flatMap((item) => (item.kind === "message" ? [item.side] : [])), [undefined, "v1", "v2"]);
  assert.deepEqual(
    timeline.items.flatMap((item) => (item.kind === "tool" ? [[item.side, item.name, item.status]] : [])),
    [["v1", "first", "failed"], ["v2", "second", "running"]],
  );
});

test("the end of the run is the end of both sides, and says when v1's counts", () => {
  const result = { message: "one", results: { v1: { message: "one" } } };
  const { aside, timeline } = follow(...BOTH, ["run.finished", { outcome: "completed", result }]).view;
  assert.equal(aside[0]?.status, "completed");
  const notices = timeline.items.flatMap((item) => (item.kind === "notice" ? [item.text] : []));
  assert.equal(notices.length, 1);
  assert.match(notices[0]!, /v2 failed/);
});

test("a restart takes back what v1 said, too", () => {
  const { aside, timeline } = follow(...BOTH, ["run.restarted", { attempt: 2, keepThrough: 2 }]).view;
  assert.deepEqual(aside, []);
  assert.deepEqual(timeline.items.map(({ kind }) => kind), ["message", "notice"]);
});

test("a message of the run at work was steered, the one that began it was not", () => {
  const { items } = follow(
    ["message.user", { messageId: "m1", text: "hello" }],
    ["run.started", {}],
    ["message.user", { messageId: "m2", text: "and this" }],
  ).view.timeline;
  assert.deepEqual(items.map((item) => item.kind === "message" && item.steered), [false, true]);
});

test("a limit is told in words", () => {
  const { items } = follow(["run.started", {}], ["run.finished", { outcome: "limit" }]).view.timeline;
  assert.match(items.map((item) => (item.kind === "notice" ? item.text : "")).join(), /limit of steps, tokens or time/);
});

const PROPOSAL: Proposal = {
  id: "p1",
  summary: "Add sum (summarize) after find.\nChange find: query.",
  changes: [{ type: "add_step", step: { id: "sum" } }, { type: "update_step", stepId: "find" }],
  diff: [{ change: 1, stepId: "find", field: "inputs.query", before: "news", after: "sport" }],
};

test("a proposal is decided once, by somebody, with a version", () => {
  const created: Entry = ["proposal.created", { proposal: PROPOSAL }];
  const { items } = follow(created, ["proposal.applied", { proposalId: "p1", by: "7", version: 3 }]).view.timeline;
  const [row] = items;
  assert.equal(items.length, 1);
  assert.ok(row?.kind === "proposal" && row.decision);
  assert.equal(decided(row.decision), "Applied by user 7: version 3.");
  assert.equal(decided({ verdict: "rejected", by: "7", version: undefined }), "Rejected by user 7.");
  assert.equal(decided({ verdict: "rejected", by: "7", version: 4 }), "Taken back by user 7: version 4.");
});

test("a decision on a proposal of another conversation is a notice", () => {
  const { items } = follow(["proposal.applied", { proposalId: "p9", by: "7", version: 3 }]).view.timeline;
  assert.match(items.map((item) => (item.kind === "notice" ? item.text : "")).join(), /version 3/);
});

test("a proposal has a line a change, with the fields that differ", () => {
  assert.deepEqual(lines(PROPOSAL), [
    { text: "Add sum (summarize) after find.", fields: [] },
    { text: "Change find: query.", fields: [{ name: "inputs.query", before: "news", after: "sport" }] },
  ]);
  assert.deepEqual(lines({ changes: PROPOSAL.changes! }).map(({ text }) => text), ["add step: sum", "update step: find"]);
});

/** An outbox whose commands are kept, and acknowledged when told. */
function outbox(): { box: Outbox; sent: object[]; acknowledge: (ack: Ack) => Promise<void> } {
  const sent: object[] = [];
  let answer: (ack: Ack) => void = () => undefined;
  const command = (_name: string, body: object): Promise<Ack> => {
    sent.push(body);
    return new Promise((resolve) => (answer = resolve));
  };
  const box = new Outbox({ live: true, command }, () => undefined);
  return { box, sent, acknowledge: async (ack) => {
    answer(ack);
    await new Promise(setImmediate);
  } };
}

test("a message says what it does to the run at work, and where it stands", async () => {
  const { box, sent, acknowledge } = outbox();
  box.add("more", "steer");
  const entry = (): Outgoing => box.entries[0]!;
  assert.deepEqual(sent, [{ requestId: entry().requestId, text: "more", whenBusy: "steer" }]);
  assert.equal(whereabouts(entry(), "r1"), "Sending …");
  await acknowledge({ ok: true, runId: "r1" });
  assert.equal(whereabouts(entry(), "r1"), "Waiting to be taken in");
  assert.equal(whereabouts(entry(), "r2"), "Next in line");
  assert.equal(whereabouts(entry(), null), "Sent");
  assert.equal(whereabouts({ ...entry(), whenBusy: "interrupt", runId: "r2" }, "r1"), "Interrupting …");
  box.settle(entry().requestId);
  assert.equal(box.entries.length, 0);
});

test("a refused message says why and keeps its requestId when tried again", async () => {
  const { box, sent, acknowledge } = outbox();
  box.add("more", "queue");
  await acknowledge({ ok: false, code: "RUN_LIMIT", message: "too many" });
  assert.equal(whereabouts(box.entries[0]!, "r1"), "Not sent: too many (RUN_LIMIT)");
  box.retry(box.entries[0]!.requestId);
  assert.deepEqual(sent[1], sent[0]);
});
