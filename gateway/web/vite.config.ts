// Builds the page into ../static, which the gateway serves under /static/ (index.html also at /, docs.html at /docs).
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { defineConfig, type Plugin } from "vite";

const SWAGGER_FILES = [
  "swagger-ui.css",
  "swagger-ui-bundle.js",
  "swagger-ui-bundle.js.LICENSE.txt",
  "LICENSE",
  "NOTICE",
];

/** Copies what /docs needs out of the npm package, so that no third-party script is kept in this repository. */
function swagger(): Plugin {
  return {
    name: "swagger-files",
    apply: "build",
    generateBundle() {
      const folder = dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));
      for (const name of SWAGGER_FILES) {
        this.emitFile({ type: "asset", fileName: `swagger/${name}`, source: readFileSync(join(folder, name)) });
      }
    },
  };
}

export default defineConfig({
  base: "/static/",
  plugins: [swagger()],
  build: {
    outDir: "../static",
    emptyOutDir: true,
    target: "es2022",
    // A data: URL would need a wider Content-Security-Policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 2048,
  },
});
