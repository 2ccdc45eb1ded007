// Files of this site that the user does not see until they are finished (the origin private file system).

import { CaasError } from './error.mjs';
import { Remote } from './remote.mjs';

const folder = async () => (await navigator.storage.getDirectory()).getDirectoryHandle('caas', { create: true });

/** A sink whose file exists for others only after `finish`. `discard` removes it, also afterwards. */
export async function privateFile(name, { size = 0, type = '' } = {}) {
  const { quota = Infinity, usage = 0 } = await navigator.storage.estimate();
  if (size > quota - usage) throw new CaasError('disk-full');
  const entry = crypto.randomUUID();
  const release = await hold(entry);
  const worker = new Remote();
  const discard = async () => {
    worker.end();
    await removed(entry);
    release();
  };
  try {
    await worker.call('store', [entry]);
  } catch (error) {
    await discard();
    throw error;
  }
  let written = 0;
  return {
    /** Writes a Uint8Array, whose memory it takes and returns. */
    write(chunk) {
      written += chunk.length;
      return worker.call('write', [chunk], [chunk.buffer]);
    },
    async finish() {
      await worker.call('close');
      worker.end();
      const handle = await (await folder()).getFileHandle(entry);
      const file = await handle.getFile();
      // Private windows keep files in memory. Chromium's cut one at about 1.5 GB, and report no error.
      if (file.size !== written) {
        await discard();
        throw new CaasError('disk-full');
      }
      return new File([file], name, { type });
    },
    discard,
  };
}

/** Removes what closed pages left behind. Call it when the page loads. */
export async function wipe() {
  const entries = [];
  for await (const entry of (await folder()).keys()) entries.push(entry);
  // A page takes the lock before it makes the file: those of the list are held, unless their pages have closed.
  const { held } = await navigator.locks.query();
  const used = new Set(held.map(({ name }) => name));
  for (const entry of entries) {
    if (!used.has(lockOf(entry))) await removed(entry);
  }
}

const lockOf = (entry) => `caas-file-${entry}`;

/** Keeps other pages' `wipe` away, as long as this page lives. */
function hold(entry) {
  return new Promise((held) => {
    navigator.locks.request(lockOf(entry), () => new Promise((release) => held(release)));
  });
}

async function removed(entry) {
  // The worker that ended lets go of it within moments.
  for (let attempt = 0; attempt < 20; attempt += 1) {
    try {
      return await (await folder()).removeEntry(entry);
    } catch (error) {
      if (error.name === 'NotFoundError') return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
