// Uploads, in one request or in parts, and goes on with an upload after a reload.

import { CaasError, checkNotAborted, reached, understood } from './error.mjs';
import { privateFile } from './private-file.mjs';
import { put } from './put.mjs';
import { Remote } from './remote.mjs';
import { retried } from './retry.mjs';

const CONNECTIONS = 4;
/** Requests expire in five minutes. */
const ASKED = 16;
/** Above this, ciphertext goes to the disk before it is sent in one request. */
const IN_MEMORY = 32 << 20;
/** Parts are made in memory. */
const MAX_PART = 64 << 20;
const TAG = 16;

/** Encrypts and sends a file. `begun` is the response to `POST /api/uploads` in mode `client`, for this file alone. */
export async function upload(begun, file, options = {}) {
  if (!begun.parts) return { id: begun.id, ...(await inOne(begun, file, options)) };
  const record = {
    id: begun.id,
    upload: begun.upload,
    parts: begun.parts,
    endsAt: begun.ends_at,
    name: file.name,
    size: file.size,
    lastModified: file.lastModified,
  };
  return exclusively(record.id, async () => {
    await options.journal?.put(record);
    return inParts(record, file, options, begun.encryption, new Map(), []);
  });
}

/** Goes on with an upload whose record was kept. `file` was chosen again. */
export async function resume(record, file, options) {
  const { api, journal, signal } = options;
  return exclusively(record.id, async () => {
    const isSame = ['name', 'size', 'lastModified'].every((field) => file[field] === record[field]);
    if (!isSame) {
      await abandon(record, options);
      throw new CaasError('changed');
    }
    const recorded = new Map((await journal.parts(record.id)).map((part) => [part.number, part]));
    const body = { upload: record.upload, from: 1, count: Math.min(ASKED, record.parts.count), resume: true };
    let asked;
    try {
      asked = await retried(() => reached(() => api.parts(body)), { signal });
    } catch (error) {
      const etags = [...recorded.values()].filter((part) => part.etag);
      if (error.status !== 404) throw error;
      // It may be completed already.
      if (etags.length === record.parts.count) return complete(record, etags, options);
      await journal.remove(record.id);
      throw new CaasError('gone');
    }
    return inParts(record, file, options, asked.encryption, recorded, asked);
  });
}

/** Never in two tabs at once. */
async function exclusively(id, work) {
  return navigator.locks.request(`caas-upload-${id}`, { ifAvailable: true }, (lock) => {
    if (!lock) throw new CaasError('used', { message: 'This upload goes on in another tab.' });
    return work();
  });
}

async function inOne(begun, file, { onProgress, signal }) {
  const total = file.size;
  const worker = new Remote(signal);
  let spooled;
  try {
    await worker.call('sealBody', [file, begun.encryption]);
    spooled = total > IN_MEMORY ? await privateFile('upload', { size: total + TAG }) : undefined;
    const chunks = [];
    for (let part, used; (part = await worker.next(used)); ) {
      if (spooled) used = await spooled.write(part.bytes);
      else {
        chunks.push(new Blob([part.bytes]));
        used = part;
      }
      onProgress?.({ sealed: part.sealed, sent: 0, total });
    }
    const body = spooled ? await spooled.finish() : new Blob(chunks);
    const progress = (sent) => onProgress?.({ sealed: total, sent: Math.min(sent, total), total });
    const refused = { count: 0 };
    let mayBeStored = false;
    const send = async () => {
      try {
        await put(begun, body, { progress, signal, refused });
      } catch (error) {
        // Nobody else has this link: an earlier attempt of this upload used it.
        if (error.code === 'used' && mayBeStored) return;
        mayBeStored ||= !(error.status < 500);
        throw error;
      }
    };
    await retried(send, { signal });
    return { size: total };
  } catch (error) {
    checkNotAborted(signal);
    throw understood(error);
  } finally {
    worker.end();
    await spooled?.discard();
  }
}

async function inParts(record, file, options, encryption, recorded, asked) {
  const { signal } = options;
  const stop = new AbortController();
  const ended = () => stop.abort(signal.reason);
  signal?.addEventListener('abort', ended);
  const transfer = new Transfer(record, options, stop.signal, recorded);
  try {
    checkNotAborted(signal);
    transfer.take(asked);
    const etags = await transfer.run(file, encryption);
    return await complete(record, etags, { ...options, signal });
  } catch (cause) {
    stop.abort();
    await transfer.settle();
    const error = signal?.aborted ? new CaasError('cancelled') : understood(cause);
    const isPaused = signal?.aborted && signal.reason === 'pause';
    const isRefused = error.code === 'refused' && [400, 404, 409, 422].includes(error.status);
    const isOver = isRefused || ['changed', 'gone'].includes(error.code) || (signal?.aborted && !isPaused);
    if (isOver || !options.journal) await abandon(record, options);
    checkNotAborted(signal);
    throw error;
  } finally {
    signal?.removeEventListener('abort', ended);
  }
}

/** The key must not encrypt again. */
async function abandon(record, { api, journal }) {
  await Promise.resolve(api.abort({ upload: record.upload })).catch(() => {});
  await journal?.remove(record.id);
}

async function complete(record, parts, { api, journal, signal }) {
  const etags = parts.map(({ number, etag }) => ({ number, etag }));
  const body = { upload: record.upload, parts: etags };
  const stored = await retried(() => reached(() => api.complete(body)), { signal });
  await journal?.remove(record.id);
  return { id: record.id, ...stored };
}

class Transfer {
  #record;
  #options;
  #signal;
  /** The parts that may have left. S3 can hold no other. */
  #parts;
  #puts = new Map();
  #sending = new Map();
  #sent = new Map();
  #sealed = 0;
  #stored = 0;

  constructor(record, options, signal, recorded) {
    this.#record = record;
    this.#options = options;
    this.#signal = signal;
    this.#parts = recorded;
  }

  /** Where to send parts, unless S3 holds a part that has no record: then the record is another's or was lost. */
  take({ parts = [], held = [] }) {
    if (held.some(({ number }) => !this.#parts.has(number))) throw new CaasError('changed');
    for (const part of parts) this.#puts.set(part.number, part);
  }

  async run(file, encryption) {
    const { id, parts } = this.#record;
    if (parts.part_size > MAX_PART) {
      throw new CaasError('unsupported', { message: 'Begin the upload with a part_size of 8388608 bytes.' });
    }
    if (Math.ceil((file.size + TAG) / parts.part_size) !== parts.count) throw new CaasError('changed');
    const worker = new Remote(this.#signal);
    try {
      await worker.call('sealParts', [file, encryption, parts.part_size, Boolean(this.#options.journal)]);
      for (let number = 1; number <= parts.count; number += 1) {
        const { body, digest, sealed } = await worker.next();
        this.#sealed = sealed;
        const known = this.#parts.get(number);
        if (known && !isEqual(known.digest, digest)) throw new CaasError('changed');
        if (known?.etag) {
          this.#stored += body.size;
          this.#report();
          continue;
        }
        if (!known) {
          await this.#options.journal?.putPart(id, { number, digest });
          this.#parts.set(number, { number, digest });
        }
        while (this.#sending.size >= CONNECTIONS) await Promise.race(this.#sending.values());
        this.#send(number, body);
        this.#report();
      }
      await Promise.all(this.#sending.values());
      return [...this.#parts.values()].sort((a, b) => a.number - b.number);
    } finally {
      worker.end();
    }
  }

  /** Waits until no transfer is left. */
  async settle() {
    await Promise.allSettled(this.#sending.values());
  }

  #send(number, body) {
    const sending = this.#sendPart(number, body).then(() => this.#sending.delete(number));
    sending.catch(() => {});
    this.#sending.set(number, sending);
  }

  async #sendPart(number, body) {
    const refused = { count: 0 };
    const progress = (sent) => {
      this.#sent.set(number, Math.min(sent, body.size));
      this.#report();
    };
    let expired = 0;
    const etag = await retried(
      async (moved) => {
        const request = await this.#put(number);
        let before = 0;
        const onProgress = (sent) => {
          if (sent > before + (1 << 20)) moved();
          before = sent;
          progress(sent);
        };
        try {
          return await put(request, body, { progress: onProgress, signal: this.#signal, refused });
        } catch (error) {
          progress(0);
          if (error.code !== 'expired' || ++expired > 3) throw error;
          throw new CaasError('offline', { cause: error });
        }
      },
      { signal: this.#signal },
    );
    if (!etag) throw new CaasError('origin', { message: 'The storage hides ETag from this site: its CORS rules must expose it.' });
    const part = { ...this.#parts.get(number), etag };
    this.#parts.set(number, part);
    await this.#options.journal?.putPart(this.#record.id, part);
    this.#sent.delete(number);
    this.#stored += body.size;
    this.#report();
  }

  /** Where to send a part: each request is used once, so that a retry has a new one. */
  async #put(number) {
    if (!this.#puts.has(number)) {
      const { upload, parts } = this.#record;
      const count = this.#sent.has(number) ? 1 : Math.min(ASKED, parts.count - number + 1);
      this.take(await reached(() => this.#options.api.parts({ upload, from: number, count })));
    }
    const request = this.#puts.get(number);
    this.#puts.delete(number);
    return request;
  }

  #report() {
    const total = this.#record.size;
    let sent = this.#stored;
    for (const bytes of this.#sent.values()) sent += bytes;
    this.#options.onProgress?.({ sealed: this.#sealed, sent: Math.min(sent, total), total });
  }
}

function isEqual(a, b) {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
