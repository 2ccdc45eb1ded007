// Reads an object in ranges, each as often as it takes.

import { CaasError, refusedByStorage } from './error.mjs';
import { retried, withoutResponse } from './retry.mjs';

/** For one range, in milliseconds. */
const STALLED = 120_000;
const TAG = 16;

/** Reads `length` bytes from a stream into a buffer, and returns the buffer, which it took. Fails if there are fewer. */
export async function filled(stream, buffer, length) {
  const reader = readerOf(stream);
  try {
    for (let have = 0; have < length; ) {
      const { value, done } = await reader.read(new Uint8Array(buffer, have, length - have));
      if (done) throw new CaasError('changed');
      buffer = value.buffer;
      have += value.length;
    }
    return buffer;
  } finally {
    reader.releaseLock();
  }
}

/** A reader into memory that is given. Where streams have none, this copies. */
function readerOf(stream) {
  try {
    return stream.getReader({ mode: 'byob' });
  } catch {
    const reader = stream.getReader();
    return {
      async read(view) {
        rest.set(stream, rest.get(stream) ?? (await reader.read()).value);
        const chunk = rest.get(stream);
        rest.delete(stream);
        if (!chunk) return { done: true };
        if (chunk.length > view.length) rest.set(stream, chunk.subarray(view.length));
        view.set(chunk.subarray(0, view.length));
        return { value: view.subarray(0, chunk.length) };
      },
      releaseLock: () => reader.releaseLock(),
    };
  }
}

/** What a chunk had more than its reader wanted. */
const rest = new WeakMap();

/** A function that reads `length` bytes from `start` into a buffer, which it takes, and returns the buffer. `renew` asks
 * for another grant of the same version when the URL has expired; `received` is told how many bytes came. */
export function rangeReader(grant, renew, received) {
  const total = grant.size + TAG;
  let { url } = grant;
  let renewal;

  const renewed = async (expired) => {
    if (url !== expired) return;
    renewal ??= renew().then((fresh) => {
      if (fresh.etag !== grant.etag) {
        throw new CaasError('changed', { message: 'The file was replaced during the download. Download it again.' });
      }
      ({ url } = fresh);
    });
    await renewal.finally(() => (renewal = undefined));
  };

  return async (start, length, buffer) => {
    let refused = 0;
    const blob = await retried(async () => {
      const used = url;
      const abort = new AbortController();
      const timer = setTimeout(() => abort.abort(), STALLED);
      try {
        const headers = { range: `bytes=${start}-${start + length - 1}` };
        const options = { headers, signal: abort.signal, cache: 'no-store', credentials: 'omit' };
        const response = await fetch(used, options).catch(async () => {
          throw await unreachable(used, () => ++refused);
        });
        refused = 0;
        if (response.status === 403) {
          await renewed(used);
          throw new CaasError('offline');
        }
        check(response, start, total);
        // A stream's chunks would stay in memory until they are collected; a Blob is not in this process's.
        const arrived = await response.blob();
        if (arrived.size !== length) throw new CaasError('offline');
        return arrived;
      } catch (error) {
        abort.abort();
        throw error instanceof CaasError ? error : new CaasError('offline', { cause: error });
      } finally {
        clearTimeout(timer);
      }
    });
    received(length);
    return filled(blob.stream(), buffer, length);
  };
}

/** A server that answers others but not this page three times refuses its origin; one that starts does so once. */
export async function unreachable(url, count) {
  const error = await withoutResponse(url);
  return error.code === 'origin' && count() < 3 ? new CaasError('offline') : error;
}

function check(response, start, total) {
  const { status } = response;
  if (status === 416) throw new CaasError('not-authentic', { status });
  const range = response.headers.get('content-range');
  const isWhole = status === 206 ? !range || range.endsWith(`/${total}`) : start === 0;
  if (!response.ok) throw refusedByStorage(status);
  if (!isWhole) throw new CaasError('not-authentic');
}
