// The errors of caas.mjs.

const MESSAGES = {
  'not-authentic': 'The file does not open: it was changed, or the key is another file’s. Nothing was saved. Get the file and its key again.',
  offline: 'The connection was lost. Check it, then try again.',
  expired: 'The link has expired. Ask for a new one.',
  used: 'This link was used already, and works once. Ask for a new one.',
  origin: 'The storage does not accept requests from this site. Ask its operator to allow the address of this page in the bucket’s CORS rules.',
  'disk-full': 'There is not enough space for this file. Make space on this device, then try again.',
  changed: 'The file has changed. Choose it again to begin anew.',
  cancelled: 'Cancelled.',
  unsupported: 'This browser cannot do this. Use a current version of Chrome, Edge, Firefox or Safari.',
  gone: 'This upload or file no longer exists. Begin anew.',
  refused: 'The request was refused.',
};

/** `message` is a sentence for the user. `problem` is the service's problem document, if there is one. */
export class CaasError extends Error {
  constructor(code, { message = MESSAGES[code], ...details } = {}) {
    super(message);
    this.name = 'CaasError';
    Object.assign(this, { code, ...details });
  }

  /** Whether the same request may succeed later. */
  get isTransient() {
    return this.code === 'offline' || this.status === 429 || this.status >= 500;
  }
}

/** The JSON of a successful response of the service, or of a backend that passes it on. Throws a CaasError otherwise. */
export async function json(response) {
  const text = await response.text();
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    // Not the service's.
  }
  if (response.ok && (body !== undefined || text === '')) return body;
  const retryAfter = Number(response.headers.get('retry-after')) || undefined;
  const { status } = response;
  throw new CaasError(status === 404 ? 'gone' : 'refused', { message: body?.detail, problem: body, status, retryAfter });
}

/** S3 returned this status. */
export function refusedByStorage(status) {
  if (status === 404) return new CaasError('gone', { status });
  // 409: another request for the same object has not ended.
  if (status === 409 || status === 429 || status >= 500) return new CaasError('offline', { status });
  return new CaasError('refused', { status, message: `The storage refused the request (${status}). Begin anew.` });
}

/** What a rejected promise means to the user. */
export function understood(error) {
  if (error instanceof CaasError) return error;
  const code = {
    AbortError: 'cancelled',
    // The browser no longer reads a file that was modified after it was chosen.
    NotFoundError: 'changed',
    NotReadableError: 'changed',
    QuotaExceededError: 'disk-full',
  }[error?.name];
  return code ? new CaasError(code, { cause: error }) : error;
}

/** Calls a function of the page, which sends a request. What fetch rejects with is a TypeError. */
export async function reached(request) {
  try {
    return await request();
  } catch (cause) {
    throw cause instanceof TypeError ? new CaasError('offline', { cause }) : cause;
  }
}

/** Ends when the signal does. */
export function checkNotAborted(signal) {
  if (signal?.aborted) {
    throw new CaasError('cancelled', { message: signal.reason === 'pause' ? 'Paused.' : undefined });
  }
}
