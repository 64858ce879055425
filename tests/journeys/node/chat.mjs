// A stranger's client: socket.io-client as npm has it, with default options unless told otherwise.
// Reads one line of JSON: {client, url, path, token, texts, options, drop}; writes one line of JSON: what it saw.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { randomUUID } from "node:crypto";

const [line] = await new Promise((resolve) => createInterface({ input: process.stdin }).once("line", (text) => resolve([text])));
const task = JSON.parse(line);
const { io } = createRequire(task.client)("socket.io-client");
const seen = { events: [], offsets: [], ready: [], acks: [], recovered: [], transports: [], refused: [], drops: 0 };
let last = 0;
let dropping = false;
const waiting = [];
const socket = io(task.url, {
  path: task.path,
  auth: (cb) => cb({ token: task.token, ...(task.resume === false ? {} : { lastEventIndex: last }) }),
  reconnectionDelay: 50,
  reconnectionDelayMax: 200,
  ...task.options,
});

const finish = (code) => {
  process.stdout.write(JSON.stringify(seen) + "\n", () => process.exit(code));
};
setTimeout(() => { seen.timeout = true; finish(1); }, 25_000).unref();

const until = (test) => new Promise((resolve) => {
  if (test()) resolve();
  else waiting.push({ test, resolve });
});
const notice = () => {
  for (const entry of [...waiting]) if (entry.test()) { waiting.splice(waiting.indexOf(entry), 1); entry.resolve(); }
};

socket.io.on("open", () => {
  const engine = socket.io.engine;
  seen.transports.push(engine.transport.name);
  engine.once("upgrade", (transport) => { seen.transports.push(transport.name); notice(); });
});
socket.on("connect", () => {
  dropping = false;
  seen.recovered.push(socket.recovered);
  notice();
});
socket.on("connect_error", (error) => seen.refused.push({ message: error.message, data: error.data }));
socket.on("ready", (ready) => { seen.ready.push(ready); notice(); });
socket.on("event", (event, offset) => {
  seen.events.push(event);
  seen.offsets.push(offset);
  last = event.index;
  if (task.drop && !dropping && seen.drops < task.drop.length && event.index >= task.drop[seen.drops]) {
    seen.drops += 1;
    dropping = true;
    // As a network does it: after what has arrived. Closed from inside a handler, the client keeps the packets that
    // it has decoded in a buffer of its own and repeats them after its recovery.
    setTimeout(() => socket.io.engine.close());
  }
  notice();
});

const ended = () => seen.events.filter((event) => event.type === "run.finished" || event.type === "run.failed").length;
await until(() => socket.connected);
if (task.upgrade) await until(() => seen.transports.includes("websocket"));
for (const [position, text] of task.texts.entries()) {
  seen.acks.push(await socket.timeout(10_000).emitWithAck("message", { requestId: randomUUID(), text }));
  await until(() => ended() === position + 1);
}
await until(() => socket.connected && seen.recovered.length > seen.drops);
socket.disconnect();
finish(0);
