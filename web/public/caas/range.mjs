// Reads an object in ranges, each as often as it takes.

import { CaasError, refusedByStorage } from './error.mjs';
import { retried, withoutResponse } from './retry.mjs';

const STALLED = 60_000;
const TAG = 16;

/** A function that reads the bytes from `start` to `end`. `renew` asks for another grant of the same version when the
 * URL has expired; `received` is told how many bytes came. */
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

  return async (start, end) => {
    const bytes = new Uint8Array(end - start);
    let filled = 0;
    let refused = 0;
    await retried(async (progress) => {
      const used = url;
      const abort = new AbortController();
      let timer;
      const alive = () => {
        clearTimeout(timer);
        timer = setTimeout(() => abort.abort(), STALLED);
      };
      alive();
      try {
        const headers = { range: `bytes=${start + filled}-${end - 1}` };
        const options = { headers, signal: abort.signal, cache: 'no-store', credentials: 'omit' };
        const response = await fetch(used, options).catch(async () => {
          throw await unreachable(used, () => ++refused);
        });
        refused = 0;
        if (response.status === 403) {
          await response.body?.cancel();
          await renewed(used);
          throw new CaasError('offline');
        }
        check(response, start + filled, total);
        for (const reader = response.body.getReader(); ; ) {
          const { value, done } = await reader.read();
          if (done) break;
          if (value.length > bytes.length - filled) throw new CaasError('not-authentic');
          alive();
          bytes.set(value, filled);
          filled += value.length;
          received(value.length);
          progress();
        }
      } catch (error) {
        if (error instanceof CaasError) throw error;
        throw new CaasError('offline', { cause: error });
      } finally {
        clearTimeout(timer);
      }
      if (filled < bytes.length) throw new CaasError('offline');
    });
    return bytes.buffer;
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
