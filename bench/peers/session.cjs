// The Node peer of the session benchmark: fastify, zod and fast-jwt. It checks a body like ours and signs a token; it
// knows no accounts, limits or stored sessions. Usage: node session.cjs PORT; TOKEN_* in the environment.
const { randomUUID } = require("crypto");
const { createSigner } = require("fast-jwt");
const { z } = require("zod");

const env = process.env;
const sign = createSigner({ key: env.TOKEN_KEY, algorithm: "HS256" });
const text = z.string().max(128);
const Body = z.object({
  agentVersion: z.enum(["v1", "v2", "v3", "both"]).default("v1"),
  conversationId: text.optional(),
  workflowId: text.optional(),
  sessionId: text.optional(),
  requestId: z.uuid().optional(),
  message: z.string().max(10000).optional(),
  images: z.array(z.object({ base64: z.string().optional(), ipfsUrl: z.string().optional() })).default([]),
  lastEventIndex: z.number().int().min(0).optional(),
  preferredMode: z.enum(["planning", "building", "repair", "conversation"]).optional(),
  timezone: z.string().optional(),
  temperatureOverride: z.number().min(0).max(2).optional(),
  modelOverride: z.string().optional(),
});
const app = require("fastify")({ logger: false });

app.post("/v1/ai/workflow/chat/stream", (request, reply) => {
  const parsed = Body.safeParse(request.body);
  if (!parsed.success) return reply.code(400).send({ error: parsed.error.message });
  const now = Math.floor(Date.now() / 1000);
  const id = randomUUID();
  const claims = {
    iss: env.TOKEN_ISSUER, aud: env.TOKEN_AUDIENCE, sub: "1", org: 1, sid: id, conv: parsed.data.conversationId ?? id,
    scp: ["read", "write"], jti: randomUUID(), iat: now, nbf: now, exp: now + 900,
  };
  return reply.send({ sessionToken: sign(claims), sessionId: id, socketUrl: "wss://example.com/socket.io/" });
});
app.listen({ port: Number(process.argv[2]), host: "127.0.0.1" });
