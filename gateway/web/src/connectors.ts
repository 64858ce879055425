// Connectors over HTTP: the visitor's outside accounts, and what each type of them is made of. A secret only goes in.
// Every method raises HttpError. Caller: what shows them (accounts).
import { call } from "./http";
import type { Json, JsonObject } from "./wire";

export interface FormField {
  name: string;
  title: string;
  kind: "text" | "url" | "email" | "number" | "choice" | "list";
  /** Typed unseen, and never shown again. */
  secret: boolean;
  required: boolean;
  help: string;
  example: string;
  default: string | number | null;
  choices: readonly { value: string; title: string }[];
}

/** One of the ways to say who asks; config: what goes along, where no field says something else. */
export interface FormWay {
  name: string;
  title: string;
  config: JsonObject;
  fields: readonly FormField[];
}

/** test: what a test of it does; null: there is nothing to test. */
export interface ConnectorForm {
  type: string;
  title: string;
  help: string;
  test: string | null;
  ways: readonly FormWay[];
}

/** config: what may be shown of it. */
export interface Connector {
  id: string;
  type: string;
  name: string;
  config: Record<string, Json>;
  updatedAt: string;
  testedAt: string | null;
  testOk: boolean | null;
}

export interface Outcome {
  ok: boolean;
  message: string;
}

/** A test really tries: a worker takes up to 15 s for it. */
const TEST_TIMEOUT_MS = 22_000;

export class Connectors {
  readonly #root: string;

  /** key: an API key; null: the browser's cookie says who asks. */
  constructor(private readonly key: string | null) {
    this.#root = key === null ? "/api" : "/v1";
  }

  async types(): Promise<ConnectorForm[]> {
    return (await this.#ask<{ types: ConnectorForm[] }>("GET", "connector-types")).types;
  }

  async list(): Promise<Connector[]> {
    return (await this.#ask<{ connectors: Connector[] }>("GET", "connectors")).connectors;
  }

  create(type: string, name: string, config: JsonObject): Promise<Connector> {
    return this.#ask("POST", "connectors", { type, name, config });
  }

  /** A config is given whole; null: it stays. */
  change(id: string, name: string, config: JsonObject | null): Promise<Connector> {
    return this.#ask("PATCH", `connectors/${id}`, { name, ...(config && { config }) });
  }

  async remove(id: string): Promise<void> {
    await this.#ask("DELETE", `connectors/${id}`);
  }

  test(id: string): Promise<Outcome> {
    return this.#ask("POST", `connectors/${id}/test`, undefined, TEST_TIMEOUT_MS);
  }

  async #ask<T>(method: string, path: string, body?: object, timeoutMs?: number): Promise<T> {
    return (await call(method, `${this.#root}/${path}`, this.key, body, timeoutMs)).data as T;
  }
}
