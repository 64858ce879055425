// Compiles test/*.test.ts for `node --test`, with the transpiler the page itself is built with.
import { readdirSync } from "node:fs";
import { defineConfig } from "vite";

const entries = readdirSync(new URL("./test", import.meta.url)).filter((name) => name.endsWith(".test.ts"));

export default defineConfig({
  publicDir: false,
  build: {
    ssr: true,
    outDir: "build/test",
    emptyOutDir: true,
    target: "node20",
    rollupOptions: { input: entries.map((name) => `test/${name}`) },
  },
});
