// What went wrong, as a sentence with the next step.

/** Something that failed. The message says what to do next. */
export class Failure extends Error {
  constructor(code, message, details = {}) {
    super(message);
    this.code = code;
    Object.assign(this, details);
  }

  /** Whether the same request may succeed later. */
  get isTransient() {
    return this.code === 'offline' || this.status === 429 || this.status >= 500;
  }
}

/** The sentence for any error. */
export function explain(error) {
  // Those of the browser have numbers.
  if (typeof error?.code === 'string') return error.message;
  if (error?.name === 'NotReadableError' || error?.name === 'NotFoundError') {
    return 'The file cannot be read any more: it was changed, moved or removed. Choose it again.';
  }
  if (error?.name === 'QuotaExceededError') {
    return 'The disk is full, or the browser gives this page no more room. Free some, and try again.';
  }
  return 'Something went wrong in this browser. Reload the page and try again; if it happens again, report it with the ' +
    'name and version of the browser.';
}
