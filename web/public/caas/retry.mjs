// Repeats what the network cut.

import { CaasError, checkNotAborted, understood } from './error.mjs';

const ATTEMPTS = 10;
const LONGEST = 10_000;

/** Runs `attempt` until it succeeds, fails permanently, or has failed `attempts` times. An attempt that made
 * progress calls the function it is given, and the count begins again. */
export async function retried(attempt, { signal, attempts = ATTEMPTS } = {}) {
  let failed = 0;
  for (;;) {
    checkNotAborted(signal);
    try {
      return await attempt(() => (failed = 0));
    } catch (cause) {
      checkNotAborted(signal);
      const error = understood(cause);
      if (!error.isTransient || ++failed >= attempts) throw error;
      const backoff = Math.min(LONGEST, 250 * 2 ** failed) * (0.5 + Math.random() / 2);
      await pause(Math.max(backoff, 1000 * (error.retryAfter ?? 0)), signal);
    }
  }
}

/** Waits, and then until the device is online. A worker may never hear `online`, so this asks. */
async function pause(milliseconds, signal) {
  const ended = new Promise((resolve) => signal?.addEventListener('abort', resolve, { once: true }));
  do {
    await Promise.race([new Promise((resolve) => setTimeout(resolve, milliseconds)), ended]);
    milliseconds = 1000;
  } while (!navigator.onLine && !signal?.aborted);
}

/** Why a request without a response failed: a server that can be reached refuses this origin. */
export async function withoutResponse(url) {
  try {
    await fetch(new URL('/', url), { mode: 'no-cors', cache: 'no-store', credentials: 'omit' });
    return new CaasError('origin');
  } catch {
    return new CaasError('offline');
  }
}
