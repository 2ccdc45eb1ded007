// A site with caas.mjs on an origin of its own, and the backend that keeps its API key.

import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Service } from './support.mjs';

const PUBLIC = fileURLToPath(new URL('../../web/public/', import.meta.url));
const TYPES = { '.mjs': 'text/javascript', '.js': 'text/javascript', '.wasm': 'application/wasm', '.html': 'text/html' };
const POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self' http://127.0.0.1:* http://localhost:*; " +
  "require-trusted-types-for 'script'; trusted-types caas";

const PAGE = '<!doctype html><meta charset="utf-8"><title>caas.mjs</title><input type="file"><script type="module" src="test.js"></script>';

const SCRIPT = `
import * as caas from './caas.mjs';

const backend = async (path, body) => caas.json(await fetch('/backend' + path, { method: 'POST', body: JSON.stringify(body ?? {}) }));
const call = (step) => (body) => backend('/api/uploads/' + step, body);
const progress = { sealed: 0, sent: 0 };
Object.assign(window, {
  caas,
  backend,
  api: { parts: call('parts'), complete: call('complete'), abort: call('abort') },
  progress,
  onProgress: (now) => Object.assign(progress, now),
  offer(file) {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(file);
    link.download = file.name;
    link.click();
  },
  async leftovers() {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('caas', { create: true });
    return Array.fromAsync(folder.keys());
  },
  /** Whether one of the texts is anywhere in this origin's storage. */
  async stores(texts) {
    const found = JSON.stringify([{ ...localStorage }, { ...sessionStorage }]);
    const journal = caas.journal();
    const records = await journal.list();
    const parts = await Promise.all(records.map(({ id }) => journal.parts(id)));
    const all = found + JSON.stringify([records, parts]);
    return records.length === 0 || texts.some((text) => all.includes(text));
  },
});
`;

export class Site {
  /** Content keys that passed through the backend. */
  keys = [];
  begun = 0;
  aborted = 0;

  static async start() {
    const site = new Site();
    site.server = createServer((request, response) => site.#respond(request, response).catch((error) => {
      response.writeHead(503, { 'retry-after': '1' }).end(JSON.stringify({ detail: String(error) }));
    }));
    await new Promise((resolve) => site.server.listen(0, '127.0.0.1', resolve));
    site.url = `http://127.0.0.1:${site.server.address().port}`;
    site.service = await Service.start(`--allowed-origins=${site.url}`);
    return site;
  }

  async stop() {
    this.server.close();
    this.server.closeAllConnections();
    await this.service?.stop();
  }

  /** The SHA-256 of a stored file, as `caas` reads it. */
  async stored(id) {
    const content = this.service.caas(['get', id, '-o', '-'], { encoding: 'buffer', maxBuffer: 1 << 30 });
    return createHash('sha256').update(content).digest('hex');
  }

  async #respond(request, response) {
    const { pathname, search } = new URL(request.url, this.url);
    if (pathname.startsWith('/backend/')) return this.#backend(request, response, pathname.slice(8), search);
    if (pathname === '/object') return this.#object(request, response);
    const files = { '/test.html': PAGE, '/test.js': SCRIPT };
    let body = files[pathname];
    try {
      body ??= readFileSync(join(PUBLIC, pathname));
    } catch {
      return response.writeHead(404).end();
    }
    response.writeHead(200, { 'content-type': TYPES[extname(pathname)], 'content-security-policy': POLICY }).end(body);
  }

  async #backend(request, response, path, search) {
    const body = await collected(request);
    const headers = { 'content-type': 'application/json' };
    const passed = await this.service.api(path, { method: 'POST', headers, body: path.endsWith('/grant') ? undefined : body });
    const text = await passed.text();
    const json = JSON.parse(text || '{}');
    if (json.encryption) this.keys.push(json.encryption.key);
    if (passed.status === 201 && json.upload) this.begun += 1;
    if (path.endsWith('/abort')) this.aborted += 1;
    if (search === '?through') {
      this.object = json.url;
      json.url = `${this.url}/object`;
    }
    response.writeHead(passed.status, { 'content-type': passed.headers.get('content-type') ?? 'application/json' });
    response.end(passed.status === 204 ? undefined : JSON.stringify(json));
  }

  /** The stored object, with the byte at `tamper` changed. */
  async #object(request, response) {
    const passed = await fetch(this.object, { headers: { range: request.headers.range } });
    const bytes = Buffer.from(await passed.arrayBuffer());
    const at = this.tamper - Number(/\d+/.exec(request.headers.range)[0]);
    if (at >= 0 && at < bytes.length) bytes[at] ^= 1;
    response.writeHead(passed.status, { 'content-range': passed.headers.get('content-range') }).end(bytes);
  }
}

async function collected(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** The largest peak of resident memory of all pages' processes so far, in MB. */
export function renderersPeak() {
  const peaks = descendants(process.pid).filter(isRenderer).map((id) => {
    const status = readFileSync(`/proc/${id}/status`, 'utf8');
    return Math.round((Number(/VmHWM:\s+(\d+)/.exec(status)[1]) * 1024) / 1e6);
  });
  return Math.max(...peaks);
}

function descendants(id) {
  const children = readdirSync(`/proc/${id}/task`)
    .flatMap((thread) => readFileSync(`/proc/${id}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean));
  return children.flatMap((child) => [child, ...descendants(child)]);
}

const isRenderer = (id) => readFileSync(`/proc/${id}/cmdline`, 'utf8').includes('--type=renderer');
