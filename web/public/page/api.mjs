// Requests to the service. The API key is here, in memory, and nowhere else.

import { Failure } from './failure.mjs';

const files = new URL(document.querySelector('meta[name=caas-files]').content, location.href);
const versioned = /^[0-9a-f]{16}$/.test(files.pathname.split('/').at(-2));

/** Where the service is: a page of a stage is at `/Prod/`, and its files one folder below. */
export const base = new URL(versioned ? '../' : './', files);

/** The longest file: what one AES-GCM message holds. */
export const MAX_FILE_BYTES = 2 ** 36 - 32;

const RETRIES = 3;

/** A longer wait is for people to decide. */
const LONGEST_WAIT_SECONDS = 10;

let apiKey;

export function useKey(key) {
  apiKey = key;
}

/** What tells this key's records from another's: its SHA-256, in hexadecimal digits. */
export async function keyHash() {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(apiKey));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The limits in force. */
export async function limits() {
  return (await (await send('GET', 'health')).json()).limits;
}

/** Sends JSON and returns the JSON of the response. Repeats what the service had no time for. */
export async function call(method, path, body, { signal } = {}) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const response = await send(method, path, body, signal);
      return response.status === 204 ? undefined : await response.json();
    } catch (failure) {
      const busy = failure.status === 503 || failure.status === 429;
      const seconds = failure.retryAfter ?? attempt;
      if (!busy || attempt > RETRIES || seconds > LONGEST_WAIT_SECONDS) throw failure;
      await pause(seconds * 1000, signal);
    }
  }
}

async function send(method, path, body, signal) {
  const headers = {};
  if (apiKey !== undefined) headers['x-api-key'] = apiKey;
  if (body !== undefined) headers['content-type'] = 'application/json';
  const request = {
    method, headers, signal, cache: 'no-store', referrerPolicy: 'no-referrer',
    body: body === undefined ? undefined : JSON.stringify(body),
  };
  let response;
  try {
    response = await fetch(new URL(path, base), request);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Failure('offline', navigator.onLine
      ? 'The service cannot be reached. Check that it runs, and try again.'
      : 'There is no connection. Try again once you are online.');
  }
  if (!response.ok) throw await refused(response);
  return response;
}

async function refused(response) {
  const { status } = response;
  const after = Number(response.headers.get('retry-after')) || undefined;
  let problem;
  try {
    problem = await response.json();
  } catch {
    problem = {};
  }
  const code = String(problem.type ?? '').split('/').at(-1) || 'refused';
  return new Failure(code, sentence(code, status, problem, after), { status, problem, retryAfter: after });
}

/** What people read instead of what the service tells programs. */
const SENTENCES = {
  'unauthorized': () => 'The service does not know this key: it is mistyped, or was revoked. Check it, or ask the operator for one.',
  'missing-scope': ({ detail }) => `${detail} Ask the operator for a key that has it.`,
  'integrity-failure': () =>
    'This does not open: it was changed or cut off, or belongs to another key or user. Get it again from where it is kept.',
  'rate-limited': (_, seconds) => `There are too many requests at the moment. Try again in ${seconds ?? 2} seconds.`,
  'dependency-unavailable': () => 'The storage or the key management of the service is not available. Try again in a few seconds.',
  'storage-full': () => 'The service has no space left. Ask the operator to free some; reading and deleting still work.',
  'internal': ({ instance }) => `Something went wrong in the service. Try again; if it happens again, report ${instance}.`,
};

function sentence(code, status, problem, after) {
  const { detail, title } = problem;
  // An expired key is named by the service.
  const own = /expired/.test(detail) ? undefined : SENTENCES[code];
  return own?.(problem, after) ?? detail ?? title ?? `The service responded with ${status}. Try again.`;
}

export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}
