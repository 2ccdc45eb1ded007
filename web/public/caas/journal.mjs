// What a page keeps of unfinished uploads, in IndexedDB: names, tokens and digests, never a key.

const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** The unfinished uploads of this site, or those of `owner` alone: some text that tells the users of one browser apart.
 * A record is `{id, owner, upload, name, size, lastModified, parts, endsAt}`. */
export function journal(name = 'caas', { owner } = {}) {
  let opened;
  const database = () => {
    opened ??= new Promise((resolve, reject) => {
      const request = indexedDB.open(name, 1);
      request.onupgradeneeded = () => {
        request.result.createObjectStore('uploads', { keyPath: 'id' });
        request.result.createObjectStore('parts', { keyPath: ['id', 'number'] });
      };
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    return opened;
  };
  /** Runs `change` and waits until it is on the disk. */
  const write = async (change) => {
    const transaction = (await database()).transaction(['uploads', 'parts'], 'readwrite', { durability: 'strict' });
    change(transaction.objectStore('uploads'), transaction.objectStore('parts'));
    await new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
    });
  };
  const read = async (store, request) => done(request((await database()).transaction(store).objectStore(store)));
  const ofUpload = (id) => IDBKeyRange.bound([id, 0], [id, Infinity]);

  const remove = (id) =>
    write((uploads, parts) => {
      uploads.delete(id);
      parts.delete(ofUpload(id));
    });
  const isOwn = (record) => record?.owner === owner;

  return {
    owner,
    /** Also removes the records, of any owner, of uploads that S3 no longer holds. */
    async list() {
      const records = await read('uploads', (uploads) => uploads.getAll());
      const hasEnded = ({ endsAt }) => Date.parse(endsAt) < Date.now();
      for (const { id } of records.filter(hasEnded)) await remove(id);
      return records.filter((record) => isOwn(record) && !hasEnded(record));
    },
    async get(id) {
      const record = await read('uploads', (uploads) => uploads.get(id));
      return isOwn(record) ? record : undefined;
    },
    put: (record) => write((uploads) => uploads.put({ ...record, owner })),
    remove,
    /** The parts that may have left: `{number, digest, etag?}`. */
    parts: (id) => read('parts', (parts) => parts.getAll(ofUpload(id))),
    putPart: (id, part) => write((_, parts) => parts.put({ id, ...part })),
  };
}
