// Calls every operation through openapi-fetch and the types that openapi-typescript generated.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import createClient, { type Middleware } from "openapi-fetch";
import type { paths } from "./api.js";

const document = JSON.parse(readFileSync("openapi.json", "utf8"));
const apiKey = process.env.CAAS_API_KEY!;
const called = new Set<string>();

type Requirement = Record<string, string[]>;

// Gives the key to the operations that declare it, in the header that they declare.
const authenticate: Middleware = {
  onRequest({ request, schemaPath }) {
    const operation = document.paths[schemaPath][request.method.toLowerCase()];
    called.add(operation.operationId);
    const requirements: Requirement[] = operation.security ?? document.security;
    const names = requirements.flatMap((requirement) => Object.keys(requirement));
    const scheme = names
      .map((name) => document.components.securitySchemes[name])
      .find((scheme) => scheme.type === "apiKey" && scheme.in === "header");
    if (scheme) request.headers.set(scheme.name, apiKey);
    return request;
  },
};

const baseUrl = document.servers[0].url;
const anonymous = createClient<paths>({ baseUrl });
const client = createClient<paths>({ baseUrl });
client.use(authenticate);

type Outcome<T> = { data?: T; error?: unknown; response: Response };

function ok<T>({ data, error, response }: Outcome<T>): T {
  assert(response.ok, `${response.url}: ${response.status} ${JSON.stringify(error)}`);
  return data as T;
}

// `format: binary` is a string to openapi-typescript; the form holds a Blob.
const binary = (content: BlobPart) => new Blob([content]) as unknown as string;

function bodySerializer(fields: object): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  return form;
}

async function service() {
  assert.match(ok(await client.GET("/", { parseAs: "text" })), /is running/);
  assert.equal(ok(await client.GET("/health")).status, "ok");
  const params = { path: { code: "too-large" } };
  assert.equal(ok(await client.GET("/problems/{code}", { params })).status, 413);
  const described = ok(await client.GET("/openapi.json")) as typeof document;
  assert.equal(described.info.title, document.info.title);
}

async function users() {
  const userUUID = crypto.randomUUID();
  const params = { path: { uuid: userUUID } };
  const sensitiveData = ["a secret", "another"];
  const encryptedData = ok(
    await client.POST("/encrypt", { body: { userUUID, sensitiveData } }),
  ).encrypted_data;
  const verified = ok(
    await anonymous.POST("/verify", { body: { apiKey, userUUID, sensitiveData, encryptedData } }),
  );
  assert.deepEqual(verified.valid, [true, true]);
  const value = ok(
    await client.POST("/encrypt", {
      body: { userUUID, sensitiveData: "a secret", cipher: "aes-256-gcm" },
    }),
  ).encrypted_data;
  const decrypted = ok(
    await client.POST("/decrypt", { body: { userUUID, encryptedData: value } }),
  );
  assert.equal(decrypted.sensitive_data, "a secret");
  ok(await client.POST("/verify", { body: { userUUID, sensitiveData, encryptedData } }));
  assert.equal(ok(await client.POST("/users/{uuid}/rotate", { params })).version, 2);
  assert.equal(ok(await client.GET("/users/{uuid}", { params })).versions.length, 2);
  ok(await client.DELETE("/users/{uuid}", { params }));
}

async function sessionFiles() {
  const sealed = await client.POST("/encrypt_file", {
    body: { file: binary("my notes") },
    bodySerializer,
    parseAs: "blob",
  });
  const key = sealed.response.headers.get("Encryption-Key")!;
  const opened = await client.POST("/decrypt_file", {
    params: { header: { "Encryption-Key": key } },
    body: { file: binary(ok(sealed)) },
    bodySerializer,
    parseAs: "text",
  });
  assert.equal(ok(opened), "my notes");
}

async function storedFiles() {
  const uploaded = await client.POST("/api/upload/", {
    params: { header: { "Idempotency-Key": crypto.randomUUID() } },
    body: { file: binary("annual report") },
    bodySerializer,
  });
  const params = { path: { id: ok(uploaded).file.id } };
  const listed = ok(await client.GET("/api/files", { params: { query: { limit: 1000 } } }));
  assert(listed.files.some((file) => file.id === params.path.id));
  const content = ok(await client.GET("/api/files/{id}", { params, parseAs: "text" }));
  assert.equal(content, "annual report");
  const head = await client.HEAD("/api/files/{id}", { params });
  assert.equal(head.response.headers.get("caas-size"), "13");
  assert.equal(ok(await client.POST("/api/files/{id}/grant", { params })).size, 13);
  ok(await client.DELETE("/api/files/{id}", { params }));
  const gone = await client.GET("/api/files/{id}", { params });
  assert.equal(gone.error?.type, "/problems/not-found");
  for (const mode of ["inbox", "client"] as const) {
    const body = { name: "film.mp4", size: 1_000_000, mode };
    const begun = ok(await client.POST("/api/uploads", { body }));
    assert("url" in begun);
    assert.equal(begun.method, "PUT");
  }
  const body = { name: "film.mp4", size: 8_400_000, mode: "client", part_size: 8_388_608 } as const;
  const begun = ok(await client.POST("/api/uploads", { body }));
  assert("parts" in begun);
  const { upload } = begun;
  assert.equal(begun.parts.count, 2);
  const wanted = { upload, from: 1, count: 2, resume: true };
  const { parts, held, encryption } = ok(await client.POST("/api/uploads/parts", { body: wanted }));
  assert.deepEqual([parts.map((part) => part.number), held], [[1, 2], []]);
  assert.deepEqual(encryption, begun.encryption);
  const sent = parts.map(({ number }) => ({ number, etag: `"${"0".repeat(32)}"` }));
  const conflict = await client.POST("/api/uploads/complete", { body: { upload, parts: sent } });
  assert.equal(conflict.error?.type, "/problems/upload-conflict");
  assert.equal((await client.POST("/api/uploads/abort", { body: { upload } })).response.status, 204);
  const refused = await anonymous.GET("/api/files");
  assert.equal(refused.error?.type, "/problems/unauthorized");
}

for (const step of [service, users, sessionFiles, storedFiles]) await step();
const operations = Object.values<Record<string, { operationId: string }>>(document.paths)
  .flatMap((path) => Object.values(path))
  .map((operation) => operation.operationId);
assert.deepEqual([...called].sort(), operations.sort(), "not every operation was called");
console.log(`openapi-fetch: called ${called.size} operations`);
