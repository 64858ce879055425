// Follows a run with the unmodified npm clients, through a proxy that cuts their connections. Reads one JSON line:
// {client: path of the package.json whose node_modules to use, library, url, query, key, body}; prints what it saw.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const lines = [];
for await (const chunk of process.stdin) lines.push(chunk);
const task = JSON.parse(Buffer.concat(lines).toString());
const require = createRequire(pathToFileURL(task.client));
const TYPES = ["chunk", "node", "done", "error", "thinking", "tool_start", "tool_result", "mode_switch", "restart"];
const seen = { frames: [], opened: 0, statuses: [] };
const keep = (event, id, data) => seen.frames.push({ event, id: Number(id), data: JSON.parse(data) });
const authorised = (init) => ({ ...init.headers, Authorization: `Bearer ${task.key}` });

async function counted(url, init) {
  const response = await fetch(url, init);
  seen.statuses.push(response.status);
  return response;
}

async function withEventSource() {
  const { EventSource } = await import(pathToFileURL(require.resolve("eventsource")));
  await new Promise((resolve) => {
    const source = new EventSource(task.url + task.query, {
      fetch: (url, init) => counted(url, { ...init, headers: authorised(init) }),
    });
    source.onopen = () => (seen.opened += 1);
    // Nobody closes it after `done`: it comes back by itself until the server says that there is no more.
    source.onerror = () => source.readyState === EventSource.CLOSED && resolve();
    for (const type of TYPES)
      source.addEventListener(type, (event) => "data" in event && keep(type, event.lastEventId, event.data));
  });
}

async function withFetchEventSource() {
  // Made for pages: it looks at these two.
  globalThis.window = globalThis;
  globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
  const { fetchEventSource } = require("@microsoft/fetch-event-source");
  let ended = false;
  const again = async () => {
    await fetchEventSource(task.url, {
      method: "POST",
      headers: { ...authorised({}), "Content-Type": "application/json" },
      body: JSON.stringify(task.body),
      fetch: (url, init) => ((seen.opened += 1), counted(url, init)),
      onmessage: ({ event, id, data }) => {
        keep(event, id, data);
        ended ||= event === "done" || event === "error";
      },
      onclose: () => {
        if (!ended) throw new Error("cut");
      },
      onerror: () => 20,
    });
  };
  await again();
}

await (task.library === "eventsource" ? withEventSource() : withFetchEventSource());
process.stdout.write(JSON.stringify(seen));
process.exit(0);
