// One upload or download of the vault, with what people do to it: pause, go on, cancel, try again.

import { MAX_FILE_BYTES, call, keyHash, pause } from './api.mjs';
import { announce, byId, save } from './dom.mjs';
import { Failure, explain } from './failure.mjs';
import { bytes } from './format.mjs';
import { Job } from './job.mjs';

/** Longer files are sent in parts of this length, and so can go on after an interruption. */
const PART_BYTES = 8 * 2 ** 20;

/** How many run at once. */
const AT_ONCE = 2;

/** What a request to S3 takes in mode `inbox`. */
const MAX_INBOX_BYTES = 5_000_000_000;

/** What `caas.mjs` holds while it sends an upload. */
const LOCK = 'caas-upload-';

const LONGEST_WAIT_SECONDS = 30;

const load = () => import('../caas.mjs');

/** The unfinished uploads of the key in use. */
export async function journalOfKey() {
  const { journal } = await load();
  return journal('caas', { owner: await keyHash() });
}

const waiting = [];
let running = 0;

function next() {
  while (running < AT_ONCE && waiting.length > 0) {
    running += 1;
    const transfer = waiting.shift();
    transfer.running = transfer.run().finally(() => {
      running -= 1;
      next();
    });
  }
}

/** What `caas.mjs` asks the service for. */
const api = {
  parts: (body) => call('POST', 'api/uploads/parts', body),
  complete: (body) => call('POST', 'api/uploads/complete', body),
  abort: (body) => call('POST', 'api/uploads/abort', body),
};

class Transfer {
  constructor(name, bars, whenDone) {
    this.job = new Job(byId('transfers'), name, bars);
    this.whenDone = whenDone;
    this.failures = 0;
  }

  enqueue() {
    this.controller = new AbortController();
    this.job.say('', 'Waiting for the transfers before it.', ['Cancel', () => this.cancel()]);
    waiting.push(this);
    next();
  }

  async run() {
    const { signal } = this.controller;
    if (signal.aborted) return;
    this.show('');
    try {
      const onProgress = (measured) => {
        this.failures = 0;
        this.job.progress(measured);
      };
      await this.transfer({ signal, onProgress });
      this.whenDone();
    } catch (error) {
      if (signal.aborted) this.ended(signal.reason);
      else if (error?.code === 'offline') await this.waitForConnection();
      else this.failed(error);
    }
  }

  show(text) {
    const buttons = [['Cancel', () => this.cancel()]];
    if (this.canPause()) buttons.unshift(['Pause', () => this.controller.abort('pause')]);
    this.job.say('', text, ...buttons);
  }

  canPause() {
    return false;
  }

  ended(reason) {
    if (reason === 'pause') {
      this.job.say('', 'Paused.', ['Resume', () => this.enqueue()], ['Cancel', () => this.cancel()]);
    } else {
      this.job.remove();
      announce('Cancelled.');
    }
  }

  failed(error) {
    const again = ['Try again', () => this.enqueue()];
    // What goes on in another tab is not this one's to cancel.
    const remove = () => (error?.code === 'used' ? this.job.remove() : this.cancel());
    this.job.say('failed', explain(error), again, ['Remove', remove]);
  }

  /** Goes on by itself: a connection comes back more often than people look. */
  async waitForConnection() {
    this.failures += 1;
    const seconds = Math.min(2 ** this.failures, LONGEST_WAIT_SECONDS);
    this.show('No connection. It resumes when the connection is back.');
    const { signal } = this.controller;
    const online = new Promise((resolve) => addEventListener('online', resolve, { once: true }));
    try {
      await Promise.race([online, pause(seconds * 1000, signal)]);
      this.enqueue();
    } catch {
      this.ended(signal.reason);
    }
  }

  cancel() {
    this.controller.abort('cancel');
    const place = waiting.indexOf(this);
    if (place >= 0) waiting.splice(place, 1);
    this.job.remove();
    this.abandon();
  }

  /** Removes what the transfer leaves elsewhere. */
  abandon() {}
}

export class Upload extends Transfer {
  /** `record` is that of an upload of this file that a reload interrupted. */
  constructor(file, mode, whenDone, record) {
    const sent = { sent: 'Sent' };
    super(file.name, mode === 'client' ? { sealed: 'Encrypted', ...sent } : sent, whenDone);
    this.file = file;
    this.mode = mode;
    this.id = record?.id;
    this.owner = record?.owner;
  }

  canPause() {
    return this.mode === 'client' && this.file.size > PART_BYTES;
  }

  async transfer({ signal, onProgress }) {
    const { file } = this;
    const limit = this.mode === 'client' ? MAX_FILE_BYTES : MAX_INBOX_BYTES;
    if (file.size > limit) {
      const next = this.mode === 'client' ? 'Split it.' : 'Let this browser encrypt it.';
      throw new Failure('too-large', `The file is longer than ${bytes(limit)}. ${next}`);
    }
    if (this.mode === 'inbox') await this.drop({ signal, onProgress });
    else await this.seal({ signal, onProgress });
    this.job.say('done', this.mode === 'client'
      ? `Stored: ${bytes(file.size)}.` : `Sent: ${bytes(file.size)}. It is listed once it is sealed, in seconds.`);
  }

  /** Encrypts here. */
  async seal({ signal, onProgress }) {
    const { upload, resume } = await load();
    const records = await journalOfKey();
    this.owner ??= records.owner;
    if (this.owner !== records.owner) {
      throw new Failure('another-key', 'This upload began with another API key. Enter that key, then try again.');
    }
    const options = { signal, onProgress, api, journal: records };
    const record = this.id && (await records.get(this.id));
    if (record) {
      await resume(record, this.file, options);
    } else {
      const begun = await this.begin(this.file.size > PART_BYTES ? { part_size: PART_BYTES } : {}, signal);
      this.id = begun.id;
      await upload(begun, this.file, options);
    }
    this.id = undefined;
  }

  begin(fields, signal) {
    const { name, size, type } = this.file;
    const body = { name, size, mode: this.mode, ...fields };
    if (/^[!-~]([ -~]*[!-~])?$/.test(type)) body.content_type = type;
    return call('POST', 'api/uploads', body, { signal });
  }

  /** Sends the file as it is; the service encrypts it. Only XMLHttpRequest says how much has been sent. */
  async drop({ signal, onProgress }) {
    const { method, url, headers } = await this.begin({}, signal);
    const { size } = this.file;
    const sending = new XMLHttpRequest();
    sending.open(method, url);
    for (const [name, value] of Object.entries(headers)) {
      if (name !== 'content-length') sending.setRequestHeader(name, value);
    }
    sending.upload.onprogress = ({ loaded }) => onProgress({ sent: loaded, total: size });
    const stop = () => sending.abort();
    signal.addEventListener('abort', stop);
    try {
      await new Promise((resolve, reject) => {
        sending.onload = () => (sending.status < 300 ? resolve() : reject(new Failure('expired',
          'S3 refused the upload: its link has expired, or was used before. Try again for a new one.')));
        sending.onerror = () => reject(new Failure('offline', 'The connection to S3 was cut.'));
        sending.onabort = () => reject(signal.reason);
        sending.send(this.file);
      });
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  async abandon() {
    // Until it has ended, it holds the lock.
    await this.running;
    try {
      if (this.id) await giveUp(this.id);
    } catch (error) {
      if (error.code !== 'used') return;
      byId('transfers').append(this.job.element);
      this.failed(error);
    }
  }
}

/** The ids of the uploads that go on at the moment, in any tab. */
export async function ongoing() {
  const { held } = await navigator.locks.query();
  return new Set(held.map(({ name }) => name.slice(LOCK.length)));
}

/** Aborts an upload that was begun, and forgets it, unless it goes on in another tab. */
export async function giveUp(id) {
  const records = await journalOfKey();
  await navigator.locks.request(LOCK + id, { ifAvailable: true }, async (lock) => {
    if (!lock) throw new Failure('used', 'This upload goes on in another tab.');
    const record = await records.get(id);
    if (!record) return;
    try {
      await api.abort({ upload: record.upload });
    } catch (failure) {
      // It has ended already.
      if (failure.status !== 404) throw failure;
    }
    await records.remove(id);
  });
}

export class Download extends Transfer {
  constructor(entry) {
    super(entry.name, { sent: 'Fetched', sealed: 'Decrypted' }, () => {});
    this.entry = entry;
  }

  async transfer({ signal, onProgress }) {
    const { id, name } = this.entry;
    const { download, privateFile } = await load();
    const renew = () => call('POST', `api/files/${encodeURIComponent(id)}/grant`, undefined, { signal });
    const grant = await renew();
    const sink = await privateFile(name, { size: grant.size });
    await download(grant, sink, { signal, onProgress, renew });
    const file = await sink.finish();
    save(file, name);
    this.job.say('done', `Verified in full: ${bytes(file.size)}.`, ['Save it again', () => save(file, name)],
      ['Remove', () => {
        this.job.remove();
        sink.discard();
      }]);
  }
}
