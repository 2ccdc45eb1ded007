// CaaS for web pages: encrypts and decrypts files of any size in constant memory, and moves them to and from S3. The
// API key stays in your backend, which passes on the service's responses. Serve this file with caas/ and wasm/.

import { CaasError, checkNotAborted, understood } from './caas/error.mjs';
import { Remote } from './caas/remote.mjs';

export { CaasError, json } from './caas/error.mjs';
export { journal } from './caas/journal.mjs';
export { privateFile, wipe } from './caas/private-file.mjs';
export { resume, upload } from './caas/upload.mjs';

/** Whether this browser can do all of this, on this page. */
export function supported() {
  const reasons = [
    [globalThis.isSecureContext, 'This page was not loaded over HTTPS or from localhost, so the browser offers no encryption. Open it over HTTPS.'],
    [globalThis.crypto?.subtle && globalThis.WebAssembly && globalThis.Worker, 'This browser has no WebCrypto, WebAssembly or workers. Use a current one.'],
    [globalThis.navigator?.storage?.getDirectory && globalThis.indexedDB && navigator.locks, 'This browser has no private file system. Use a current one, and not its private mode.'],
  ];
  const missing = reasons.find(([has]) => !has);
  return missing ? { ok: false, reason: missing[1] } : { ok: true };
}

/** Encrypts a file into a session file. Nothing is sent. Returns the key, which is kept nowhere. */
export async function sealFile(file, sink, { onProgress, signal } = {}) {
  return piped(sink, signal, {}, async (worker) => {
    const { key, nonce } = await worker.call('sealFile', [file]);
    await sink.write(nonce);
    await drained(worker, sink, ({ sealed }) => onProgress?.({ sealed, sent: sealed, total: file.size }));
    return { key };
  });
}

/** Decrypts a session file. Do not show what the sink has before this succeeds. */
export async function openFile(file, key, sink, { onProgress, signal } = {}) {
  return piped(sink, signal, {}, async (worker) => {
    await worker.call('openFile', [file, key]);
    await drained(worker, sink, ({ opened }) => onProgress?.({ sealed: opened, sent: opened, total: file.size }));
  });
}

/** Downloads and decrypts a file. `grant` is the response to `POST /api/files/{id}/grant`; `renew` asks for another one
 * when its URL has expired. Do not show what the sink has before this succeeds. */
export async function download(grant, sink, { onProgress, signal, renew } = {}) {
  let [sent, sealed] = [0, 0];
  const total = grant.size;
  const report = () => onProgress?.({ sealed, sent: Math.min(sent, total), total });
  const received = (bytes) => {
    sent = bytes;
    report();
  };
  return piped(sink, signal, { received, renew }, async (worker) => {
    await worker.call('download', [grant]);
    await drained(worker, sink, ({ opened }) => {
      sealed = opened;
      report();
    });
  });
}

async function piped(sink, signal, on, work) {
  let worker;
  try {
    checkNotAborted(signal);
    worker = new Remote(signal, on);
    return await work(worker);
  } catch (error) {
    await sink.discard?.();
    checkNotAborted(signal);
    throw understood(error);
  } finally {
    worker?.end();
  }
}

/** One chunk is made while another is written. */
async function drained(worker, sink, report) {
  let written;
  let writing;
  for (let chunk; (chunk = await worker.next(written)); ) {
    written = await writing;
    writing = sink.write(chunk.bytes);
    writing?.catch?.(() => {});
    report(chunk);
  }
  await writing;
}
