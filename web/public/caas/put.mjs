// One PUT to S3, with progress, which fetch does not report.

import { CaasError, checkNotAborted, refusedByStorage } from './error.mjs';
import { unreachable } from './range.mjs';

const STALLED = 60_000;
/** The browser sets these. */
const FORBIDDEN = new Set(['content-length', 'host']);

/** Sends the body, and returns its ETag. `progress` is told how much was sent; `refused` counts, across attempts, the
 * requests that reached the server and not this page. */
export async function put({ url, headers }, body, { progress, signal, refused }) {
  checkNotAborted(signal);
  const request = new XMLHttpRequest();
  request.open('PUT', url);
  for (const [name, value] of Object.entries(headers)) {
    if (!FORBIDDEN.has(name.toLowerCase())) request.setRequestHeader(name, value);
  }
  let timer;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => request.abort(), STALLED);
  };
  const abort = () => request.abort();
  signal?.addEventListener('abort', abort);
  try {
    alive();
    const status = await new Promise((resolve) => {
      request.upload.onprogress = ({ loaded }) => {
        alive();
        progress(loaded);
      };
      request.onloadend = () => resolve(request.status);
      request.send(body);
    });
    checkNotAborted(signal);
    if (status === 0) throw await unreachable(url, () => ++refused.count);
    refused.count = 0;
    if (status === 403) throw new CaasError('expired', { status });
    if (status === 412) throw new CaasError('used', { status });
    if (status !== 200) throw refusedByStorage(status);
    return request.getResponseHeader('etag');
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}
