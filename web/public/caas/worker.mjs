// Encrypts, decrypts and stores, beside the page: one worker for each transfer, which ends with it.

import init, { Message } from '../wasm/caas_wasm.js';
import { CaasError, understood } from './error.mjs';
import { rangeReader } from './range.mjs';

const TAG = 16;
const NONCE = 12;
const SEGMENT = 4 << 20;
/** How much of the ciphertext is copied into WebAssembly's memory at a time. */
const SLICE = 1 << 18;
const LIMIT = 2 ** 36 - 32;

const ready = init({ module_or_path: new URL('../wasm/caas_wasm_bg.wasm', import.meta.url) });
let outputs;
let stored;
let answer;

const methods = {
  /** Begins to encrypt a file: a session file without `encryption`. `next` returns its parts. */
  async seal(file, { encryption, partSize = SEGMENT, isRecorded = false }) {
    await ready;
    if (file.size > LIMIT) throw new CaasError('unsupported', { message: 'A file has at most 64 GiB. Split it.' });
    const message = encryption ? ofStored(encryption) : Message.newSession();
    const begun = encryption ? {} : { key: message.keyText(), nonce: message.nonce() };
    outputs = sealed(file, await cipherOf(message), message, partSize, isRecorded);
    return begun;
  },

  /** Begins to decrypt a session file. */
  async openFile(file, key) {
    await ready;
    if (file.size < NONCE + TAG) throw new CaasError('not-authentic');
    const nonce = new Uint8Array(await file.slice(0, NONCE).arrayBuffer());
    let message;
    try {
      message = Message.openSession(key.trim(), nonce);
    } catch {
      throw new CaasError('not-authentic', { message: 'This is not a key: it has 43 letters, digits, - and _.' });
    }
    const read = (start, end) => file.slice(NONCE + start, NONCE + end).arrayBuffer();
    outputs = opened(read, 1, file.size - NONCE - TAG, await cipherOf(message), message);
  },

  /** Begins to download and decrypt. */
  async download(grant) {
    await ready;
    const message = ofStored(grant.encryption);
    const renew = () => {
      postMessage({ ask: 'renew' });
      return new Promise((resolve, reject) => (answer = { resolve, reject }));
    };
    let received = 0;
    const read = rangeReader(grant, renew, (bytes) => postMessage({ received: (received += bytes) }));
    outputs = opened(read, 4, grant.size, await cipherOf(message), message);
  },

  answered(grant) {
    if (grant.error) answer.reject(new CaasError(grant.error.code, grant.error));
    else answer.resolve(grant);
  },

  /** The next output, or undefined after the last: all is sealed, or all is authentic. */
  async next() {
    const { value } = await outputs.next();
    return value;
  },

  /** Opens a file of this origin's private file system for writing. */
  async store(name) {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('caas', { create: true });
    const handle = await folder.getFileHandle(name, { create: true });
    stored = await handle.createSyncAccessHandle();
  },

  write(chunk) {
    for (let rest = chunk; rest.length > 0; ) {
      const written = stored.write(rest);
      if (written === 0) throw new CaasError('disk-full');
      rest = rest.subarray(written);
    }
    release(chunk.buffer);
  },

  close() {
    stored.flush();
    stored.close();
  },
};

onmessage = async ({ data: { id, method, args } }) => {
  try {
    const value = await methods[method](...args);
    postMessage({ id, value }, value?.bytes ? [value.bytes.buffer] : []);
  } catch (cause) {
    const { code, message, status } = understood(cause);
    postMessage({ id, error: { code: code ?? 'refused', message, status } });
  }
};

function ofStored({ key, iv, aad, tag_length: tagLength }) {
  try {
    return Message.stored(key, iv, aad, tagLength);
  } catch {
    throw new CaasError('unsupported', { message: 'The service uses another format. Reload the page.' });
  }
}

/** AES-CTR from a position in the text, a multiple of 16. */
async function cipherOf(message) {
  const bytes = message.key();
  const key = await crypto.subtle.importKey('raw', bytes, 'AES-CTR', false, ['encrypt']);
  bytes.fill(0);
  const nonce = message.nonce();
  return (text, position) => {
    const counter = new Uint8Array(16);
    counter.set(nonce);
    // GCM's first block of text has the number 2.
    new DataView(counter.buffer).setUint32(12, 2 + position / 16);
    return crypto.subtle.encrypt({ name: 'AES-CTR', counter, length: 32 }, key, text);
  };
}

/** Ciphertext and tag in parts. The next part is read and encrypted while one is authenticated. */
async function* sealed(file, cipher, message, partSize, isRecorded) {
  const encrypted = async (start) => {
    const text = await file.slice(start, Math.min(start + partSize, file.size)).arrayBuffer();
    const bytes = await cipher(text, start);
    release(text);
    return bytes;
  };
  let tag;
  let ahead = encrypted(0);
  for (let start = 0; start < file.size + TAG; start += partSize) {
    const end = Math.min(start + partSize, file.size + TAG);
    let bytes = new Uint8Array(await ahead);
    if (start + partSize < file.size) ahead = settled(encrypted(start + partSize));
    else ahead = new ArrayBuffer(0);
    if (bytes.length < Math.min(end, file.size) - start) throw new CaasError('changed');
    authenticate(message, bytes);
    if (end > file.size) {
      tag ??= message.finish();
      const ciphertext = bytes;
      bytes = new Uint8Array(end - start);
      bytes.set(ciphertext);
      const from = Math.max(0, start - file.size);
      bytes.set(tag.subarray(from, end - file.size), ciphertext.length);
    }
    const digest = isRecorded ? new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)) : undefined;
    yield { bytes, digest, sealed: Math.min(end, file.size) };
  }
}

/** The plaintext in order. Ends without an error only if it is authentic. */
async function* opened(read, ahead, size, cipher, message) {
  const total = size + TAG;
  const segment = (start) => settled(read(start, Math.min(start + SEGMENT, total)));
  const reading = [];
  let asked = 0;
  const tag = new Uint8Array(TAG);
  for (let start = 0; start < total; start += SEGMENT) {
    for (; reading.length < ahead && asked < total; asked += SEGMENT) reading.push(segment(asked));
    const bytes = new Uint8Array(await reading.shift());
    if (bytes.length !== Math.min(SEGMENT, total - start)) throw new CaasError('changed');
    const text = bytes.subarray(0, Math.max(0, size - start));
    tag.set(bytes.subarray(text.length), Math.max(0, start - size));
    const decrypted = text.length > 0 ? cipher(text, start) : undefined;
    authenticate(message, text);
    if (!decrypted) continue;
    const plaintext = new Uint8Array(await decrypted);
    release(bytes.buffer);
    yield { bytes: plaintext, opened: Math.min(start + SEGMENT, size) };
  }
  if (!message.verify(tag)) throw new CaasError('not-authentic');
}

function authenticate(message, ciphertext) {
  for (let start = 0; start < ciphertext.length; start += SLICE) {
    message.update(ciphertext.subarray(start, start + SLICE));
  }
}

/** A promise whose failure is reported when it is awaited. */
function settled(promise) {
  promise.catch(() => {});
  return promise;
}

/** Frees memory now rather than at the next collection. */
function release(buffer) {
  buffer.transfer?.(0);
}
