// The page's side of worker.mjs.

import { CaasError, reached } from './error.mjs';

const policy = globalThis.trustedTypes?.createPolicy('caas', { createScriptURL: (url) => url });

/** A worker of its own. `on` has what it calls: `received(bytes)`, and `renew()` for a download. */
export class Remote {
  #calls = new Map();
  #last = 0;
  #worker;

  constructor(signal, on = {}) {
    const url = new URL('worker.mjs', import.meta.url).href;
    this.#worker = new Worker(policy ? policy.createScriptURL(url) : url, { type: 'module' });
    this.#worker.onmessage = ({ data }) => {
      if (data.received) return on.received?.(data.received);
      if (data.ask) return this.#answer(on[data.ask]);
      const call = this.#calls.get(data.id);
      this.#calls.delete(data.id);
      if (data.error) call?.reject(new CaasError(data.error.code, data.error));
      else call?.resolve(data.value);
    };
    // The worker or a module of it did not load.
    this.#worker.onerror = () => this.end(new CaasError('offline'));
    signal?.addEventListener('abort', () => this.end(new CaasError('cancelled')), { once: true });
  }

  call(method, args = [], transfer = []) {
    return new Promise((resolve, reject) => {
      if (!this.#worker) return reject(new CaasError('cancelled'));
      const id = ++this.#last;
      this.#calls.set(id, { resolve, reject });
      this.#worker.postMessage({ id, method, args }, transfer);
    });
  }

  /** The next output. A sink that returns the memory of an earlier one saves memory. */
  next(returned) {
    const buffer = returned?.bytes?.buffer;
    return this.call('next', [buffer], buffer ? [buffer] : []);
  }

  /** Ends it at once, with all that it holds. */
  end(error = new CaasError('cancelled')) {
    this.#worker?.terminate();
    this.#worker = undefined;
    for (const { reject } of this.#calls.values()) reject(error);
    this.#calls.clear();
  }

  async #answer(asked) {
    try {
      if (!asked) throw new CaasError('expired');
      this.#worker?.postMessage({ method: 'answered', args: [await reached(asked)] });
    } catch ({ code = 'refused', message, status }) {
      this.#worker?.postMessage({ method: 'answered', args: [{ error: { code, message, status } }] });
    }
  }
}
