// Encrypts, decrypts and stores, beside the page: one worker for each transfer, which ends with it. Browsers collect
// large buffers late, so each is used again.

import init, { Opener, Sealer } from '../wasm/caas_wasm.js';
import { CaasError, understood } from './error.mjs';
import { filled, rangeReader } from './range.mjs';

const TAG = 16;
const NONCE = 12;
const SEGMENT = 2 << 20;
/** How much is copied into WebAssembly's memory at a time. */
const SLICE = 1 << 16;
const LIMIT = 2 ** 36 - 32;

const ready = init({ module_or_path: new URL('../wasm/caas_wasm_bg.wasm', import.meta.url) });
const spare = [];
let outputs;
let stored;
let answer;

const methods = {
  /** Begins to encrypt the body of a stored object. `next` returns its parts. */
  async sealParts(file, encryption, partSize, isRecorded) {
    await ready;
    outputs = parts(file, parametersOf(Sealer, encryption), partSize, isRecorded);
  },

  /** Begins to encrypt a session file. `next` returns what follows the nonce. */
  async sealFile(file) {
    await ready;
    const sealer = Sealer.session();
    const begun = { key: sealer.key(), nonce: sealer.nonce() };
    outputs = sealed(file, sealer, SEGMENT);
    return begun;
  },

  /** Begins to encrypt the body of a stored object that is sent in one request. */
  async sealBody(file, encryption) {
    await ready;
    outputs = sealed(file, parametersOf(Sealer, encryption), SEGMENT);
  },

  /** Begins to decrypt a session file. */
  async openFile(file, key) {
    await ready;
    if (file.size < NONCE + TAG) throw new CaasError('not-authentic');
    const nonce = new Uint8Array(await file.slice(0, NONCE).arrayBuffer());
    let opener;
    try {
      opener = Opener.session(key.trim(), nonce);
    } catch {
      throw new CaasError('not-authentic', { message: 'This is not a key: it has 43 letters, digits, - and _.' });
    }
    const source = file.slice(NONCE).stream();
    const read = (_, length, buffer) => filled(source, buffer, length);
    outputs = opened(read, 1, file.size - NONCE, opener);
  },

  /** Begins to download and decrypt. */
  async download(grant) {
    await ready;
    const renew = () => {
      postMessage({ ask: 'renew' });
      return new Promise((resolve, reject) => (answer = { resolve, reject }));
    };
    let received = 0;
    const read = rangeReader(grant, renew, (bytes) => postMessage({ received: (received += bytes) }));
    outputs = opened(read, 4, grant.size + TAG, parametersOf(Opener, grant.encryption));
  },

  answered(grant) {
    if (grant.error) answer.reject(new CaasError(grant.error.code, grant.error));
    else answer.resolve(grant);
  },

  /** The next output, or undefined after the last: all is sealed, or all is authentic. `returned` is the memory of an
   * earlier one. */
  async next(returned) {
    if (returned?.byteLength === SEGMENT) spare.push(returned);
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
    return { bytes: chunk };
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

function parametersOf(format, { key, iv, aad, tag_length: tagLength }) {
  try {
    return format.stored(key, iv, aad, tagLength);
  } catch {
    throw new CaasError('unsupported', { message: 'The service uses another format. Reload the page.' });
  }
}

/** Ciphertext and tag, in pieces of one length but the last. */
async function* sealed(file, sealer, length, memory = () => spare.pop() ?? new ArrayBuffer(length)) {
  if (file.size > LIMIT) throw new CaasError('unsupported', { message: 'A file has at most 64 GiB. Split it.' });
  const source = file.stream();
  const total = file.size + TAG;
  let tag;
  for (let start = 0; start < total; start += length) {
    const size = Math.min(length, total - start);
    const text = Math.max(0, Math.min(length, file.size - start));
    const bytes = new Uint8Array(await filled(source, memory(), text), 0, size);
    eachSlice(bytes.subarray(0, text), (slice) => sealer.update(slice));
    if (size > text) {
      tag ??= await ended(file, sealer);
      const from = start + text - file.size;
      bytes.set(tag.subarray(from, from + size - text), text);
    }
    yield { bytes, sealed: Math.min(start + length, file.size) };
  }
}

/** The tag, which there is only if the file is what it was. */
async function ended(file, sealer) {
  await file.slice(0, 1).arrayBuffer();
  return sealer.finish();
}

/** The same, as Blobs, which are not in this process's memory. */
async function* parts(file, sealer, partSize, isRecorded) {
  let memory = new ArrayBuffer(partSize);
  for await (const { bytes, sealed: done } of sealed(file, sealer, partSize, () => memory)) {
    memory = bytes.buffer;
    const digest = isRecorded ? new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)) : undefined;
    yield { body: new Blob([bytes]), digest, sealed: done };
  }
}

/** The plaintext in order. Ends without an error only if it is authentic. */
async function* opened(read, ahead, total, opener) {
  const reading = [];
  let asked = 0;
  for (let start = 0; start < total; start += SEGMENT) {
    for (; reading.length < ahead && asked < total; asked += SEGMENT) {
      const segment = read(asked, Math.min(SEGMENT, total - asked), spare.pop() ?? new ArrayBuffer(SEGMENT));
      // Its failure is reported when it is awaited.
      segment.catch(() => {});
      reading.push(segment);
    }
    const bytes = new Uint8Array(await reading.shift(), 0, Math.min(SEGMENT, total - start));
    let length = 0;
    eachSlice(bytes, (slice) => {
      const count = opener.update(slice);
      bytes.copyWithin(length, slice.byteOffset, slice.byteOffset + count);
      length += count;
    });
    yield { bytes: bytes.subarray(0, length), opened: Math.min(start + SEGMENT, total - TAG) };
  }
  if (!opener.finish()) throw new CaasError('not-authentic');
}

function eachSlice(bytes, work) {
  for (let start = 0; start < bytes.length; start += SLICE) work(bytes.subarray(start, start + SLICE));
}
