// The Node peers of the delivery benchmark: socket.io with either Redis adapter, and bare `ws`.
// Each verifies the session token of a CONNECT with fast-jwt and joins the conversation in its claims.
// Usage: node delivery.cjs redis|streams|ws PORT, with REDIS_PORT, TOKEN_KEY, TOKEN_ISSUER and TOKEN_AUDIENCE in the
// environment. The modules are found through NODE_PATH.
const http = require("http");
const { createClient } = require("redis");
const { createVerifier } = require("fast-jwt");

const [kind, port] = [process.argv[2], Number(process.argv[3])];
const env = process.env;
const verify = createVerifier({
  key: env.TOKEN_KEY, algorithms: ["HS256"], allowedIss: env.TOKEN_ISSUER, allowedAud: env.TOKEN_AUDIENCE,
  requiredClaims: ["exp", "sub", "conv"],
});

async function connectRedis() {
  const client = createClient({ url: `redis://127.0.0.1:${env.REDIS_PORT}` });
  client.on("error", (error) => { console.error(error); process.exit(1); });
  return client.connect();
}

async function serveSocketIo(server) {
  const { Server } = require("socket.io");
  const adapter = kind === "redis"
    ? require("@socket.io/redis-adapter").createAdapter(await connectRedis(), await connectRedis())
    : require("@socket.io/redis-streams-adapter").createAdapter(await connectRedis());
  const io = new Server(server, { cors: { origin: "*" }, adapter });
  io.use((socket, next) => {
    try {
      socket.data.conversation = verify(socket.handshake.auth.token).conv;
      next();
    } catch (error) {
      next(error);
    }
  });
  io.on("connection", (socket) => socket.join(socket.data.conversation));
}

async function serveWs(server) {
  const { WebSocketServer } = require("ws");
  const rooms = new Map();
  const sockets = new WebSocketServer({ server, perMessageDeflate: false });
  const handshake = { sid: "x", upgrades: [], pingInterval: 25000, pingTimeout: 20000, maxPayload: 1000000 };
  sockets.on("connection", (socket) => {
    socket.send("0" + JSON.stringify(handshake));
    socket.on("message", (data) => {
      const text = data.toString();
      if (!text.startsWith("40")) return;
      const { conv } = verify(JSON.parse(text.slice(2)).token);
      if (!rooms.has(conv)) rooms.set(conv, new Set());
      rooms.get(conv).add(socket);
      socket.on("close", () => rooms.get(conv).delete(socket));
      socket.send('40{"sid":"x"}');
    });
  });
  const subscriber = await connectRedis();
  await subscriber.subscribe("bench", (message) => {
    const packet = message.slice(8);
    for (const socket of rooms.get(message.slice(0, 8)) ?? []) socket.send(packet);
  });
}

(async () => {
  const server = http.createServer((_, response) => response.end());
  await (kind === "ws" ? serveWs(server) : serveSocketIo(server));
  server.listen(port, "127.0.0.1", 4096, () => console.log("ready"));
})();
