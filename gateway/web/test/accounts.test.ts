import assert from "node:assert/strict";
import { test } from "node:test";
import { needsOf } from "../src/accounts";
import type { ConnectorForm, FormField, FormWay } from "../src/connectors";
import type { NodeAccount } from "../src/executions";
import { configOf, freeName, known, placed, summary } from "../src/forms";
import { BLANK, extend, type Notice } from "../src/timeline";

function field(name: string, kind: FormField["kind"] = "text"): FormField {
  return { name, kind, title: name, secret: false, required: true, help: "", example: "", default: null, choices: [] };
}

const MAIL: FormWay = { name: "smtp", title: "SMTP", config: {}, fields: [field("host"), field("port", "number"), field("password")] };
const SEARCH: FormWay = { name: "brave", title: "Brave", config: { provider: "brave" }, fields: [field("apiKey")] };
const HTTP: FormWay = { name: "basic", title: "Basic", config: { password: "" }, fields: [field("username"), field("password"), field("hosts", "list")] };

test("what was typed becomes a config, and what was left blank is for the API to miss", () => {
  assert.deepEqual(configOf(MAIL, { host: "m.example", port: " 25 ", password: " x " }), { host: "m.example", port: 25, password: " x " });
  assert.deepEqual(configOf(MAIL, { host: " ", port: "many", name: "mine" }), { port: "many" });
  assert.deepEqual(configOf(SEARCH, { apiKey: "k" }), { provider: "brave", apiKey: "k" });
  assert.deepEqual(configOf(HTTP, { username: "ada", hosts: "a.example, *.b.example\n" }), { password: "", username: "ada", hosts: ["a.example", "*.b.example"] });
  assert.deepEqual(configOf(HTTP, { username: "ada", password: "p" }).password, "p");
});

test("an objection stands at the field it is about", () => {
  const all = { host: "h", port: "1", password: "p", username: "u", hosts: "h", apiKey: "k" };
  const said = (path: string, way: FormWay, typed: Record<string, string> = all): [string, string][] => [...placed([{ field: path, message: "no" }], way, typed)];
  assert.deepEqual(said("config.port", MAIL), [["port", "no"]]);
  assert.deepEqual(said("config.hosts.1", HTTP), [["hosts", "no"]]);
  assert.deepEqual(said("name", MAIL), [["name", "no"]]);
  assert.deepEqual(said("config", MAIL), [["", "no"]]);
  assert.deepEqual(said("config", SEARCH), [["apiKey", "no"]]);
  assert.deepEqual(said("config.unknown", MAIL), [["", "no"]]);
  assert.deepEqual(said("config", HTTP, { ...all, username: " " }), [["username", "no"]]);
  assert.deepEqual(said("config", HTTP, { hosts: "h" }), [["", "no"]]);
  assert.deepEqual([...placed([{ field: "config.port", message: "a" }, { field: "config.port", message: "b" }], MAIL, all)], [["port", "a; b"]]);
});

test("a change begins with what is known of an account, which is no secret and no whole address", () => {
  const search: FormWay = { name: "searxng", title: "SearXNG", config: { provider: "searxng" }, fields: [field("url", "url")] };
  const secret: FormWay = { ...MAIL, fields: [field("host"), field("port", "number"), { ...field("password"), secret: true }] };
  const form = (type: string, ...ways: FormWay[]): ConnectorForm => ({ type, title: type, help: "", test: null, ways });
  assert.deepEqual(known(form("smtp", secret), { config: { host: "m.example", port: 25, password: "never" } }), { way: 0, values: { host: "m.example", port: "25" } });
  assert.deepEqual(known(form("web-search", SEARCH, search), { config: { provider: "searxng", url: "https://s.example" } }), { way: 1, values: {} });
  assert.deepEqual(known(form("http", SEARCH, HTTP), { config: { kind: "basic", header: null, username: "ada", hosts: ["a.example", "b.example"] } }), { way: 1, values: { username: "ada", hosts: "a.example, b.example" } });
});

test("a name is proposed that is free", () => {
  assert.equal(freeName("Slack", []), "slack");
  assert.equal(freeName("Slack", ["slack", "slack 2"]), "slack 3");
});

test("an account shows what may be shown, in a line", () => {
  assert.equal(summary({ webhookUrl: "https://hooks.slack.com" }), "hooks.slack.com");
  assert.equal(summary({ kind: "bearer", header: null, username: null, hosts: ["a.example", "b.example"] }), "bearer · a.example · b.example");
});

test("what is left to connect is told by type", () => {
  const step = (nodeId: string, type: string, missing: string | null): NodeAccount => ({ nodeId, type, needed: true, connectorId: null, missing });
  const needs = needsOf([step("a", "slack", "x"), step("b", "smtp", "x"), step("c", "slack", "x"), step("d", "http", null)]);
  assert.deepEqual(needs.map(({ type, nodes }) => [type, nodes.map(({ nodeId }) => nodeId)]), [["slack", ["a", "c"]], ["smtp", ["b"]]]);
});

test("the end of a run names the steps that are without their account", () => {
  const incompleteFields = [
    { nodeId: "post", field: "connector", message: "connect a slack account" }, { nodeId: "post", field: "payload.text", message: "text is required" },
  ];
  const event = { index: 1, ts: "2026-01-01T00:00:00.000Z", runId: "r", type: "run.finished" as const, data: { outcome: "completed" as const, result: { incompleteFields } } };
  const [notice] = extend(BLANK, event, null).items as Notice[];
  assert.deepEqual(notice?.details, [
    { text: "post: connect a slack account", account: "post" }, { text: "post.payload.text: text is required", account: null },
  ]);
});
