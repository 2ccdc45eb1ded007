// caas.mjs on a page of another origin, whose backend has the API key.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { launch, launchOnDisk, newPage } from './support.mjs';
import { Site, renderersPeak } from './site.mjs';

const MIB = 1 << 20;
const LARGE = Number(process.env.CAAS_BROWSER_MIB ?? 300) * MIB;

let site, browser, folder;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'caas-engine-'));
  [site, browser] = await Promise.all([Site.start(), launch()]);
});

after(async () => {
  await browser?.close();
  await site?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A file of random bytes on the disk. */
async function file(name, size) {
  const path = join(folder, name);
  const out = createWriteStream(path);
  for (let left = size; left > 0; left -= 8 * MIB) {
    if (!out.write(randomBytes(Math.min(left, 8 * MIB)))) await new Promise((resolve) => out.once('drain', resolve));
  }
  await new Promise((resolve) => out.end(resolve));
  return path;
}

async function digest(path) {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}

/** A page that has loaded caas.mjs, with helpers in `window`. */
async function opened(context) {
  const page = context ? await context.newPage() : await newPage(browser);
  await page.goto(`${site.url}/test.html`);
  await page.waitForFunction(() => window.caas);
  return page;
}

const choose = (page, path) => page.setInputFiles('input', path);

/** Uploads the chosen file in the page, and returns its id. */
const upload = (page, partSize) =>
  page.evaluate(async (size) => {
    const [chosen] = document.querySelector('input').files;
    const begun = await backend('/api/uploads', { name: chosen.name, size: chosen.size, mode: 'client', part_size: size });
    const { id } = await caas.upload(begun, chosen, { api, journal: size && caas.journal(), onProgress });
    return id;
  }, partSize);

/** Downloads a stored file in the page, and saves it to the disk. */
async function save(page, id, path) {
  const saved = page.waitForEvent('download', { timeout: 0 });
  const failed = page.evaluate(async (id) => {
    const grant = await backend(`/api/files/${id}/grant`);
    const sink = await caas.privateFile(grant.name, { size: grant.size });
    await caas.download(grant, sink, { renew: () => backend(`/api/files/${id}/grant`), onProgress });
    offer(await sink.finish());
  }, id);
  await failed;
  await (await saved).saveAs(path);
}

const code = (promise) => promise.then(() => 'nothing', (error) => /code: ([a-z-]+)/.exec(error.message)?.[1] ?? String(error));

test('files of every size around a block, a part and the tag come back', async () => {
  const page = await opened();
  const part = 8 * MIB;
  for (const [size, partSize] of [[0], [1], [15], [16], [17], [5 * MIB + 3], [40 * MIB], [0, part], [part - 17, part],
    [part - 16, part], [part - 15, part], [part - 1, part], [part, part], [2 * part - 8, part], [2 * part + 5, part]]) {
    const path = await file(`f${size}.bin`, size);
    await choose(page, path);
    const id = await upload(page, partSize);
    assert.equal(await site.stored(id), await digest(path), `${size} bytes as the service reads them`);
    await save(page, id, `${path}.copy`);
    assert.equal(await digest(`${path}.copy`), await digest(path), `${size} bytes`);
  }
  assert.deepEqual([page.violations, page.errors], [[], []]);
});

test('a large file goes up and down in constant memory', async (t) => {
  // Without a profile on the disk, files are in memory, and cut at about 1.5 GB.
  const context = await launchOnDisk(join(folder, 'large'));
  const page = await opened(context);
  const path = await file('large.bin', LARGE);
  await choose(page, path);
  let started = performance.now();
  const id = await upload(page, 8 * MIB);
  const up = LARGE / 1000 / (performance.now() - started);
  const peakUp = renderersPeak();
  started = performance.now();
  await save(page, id, `${path}.copy`);
  const down = LARGE / 1000 / (performance.now() - started);
  const peak = renderersPeak();
  t.diagnostic(`${LARGE / MIB} MiB: up ${up.toFixed(0)} MB/s, down ${down.toFixed(0)} MB/s, renderer's peak ${peakUp} and ${peak} MB`);
  assert.equal(await digest(`${path}.copy`), await digest(path));
  assert.ok(peak < 200, `${peak} MB`);
  assert.equal(await page.evaluate(() => navigator.storage.estimate().then(({ quota }) => quota > 0)), true);
  await context.close();
});

/** Other programs, which open a session file on the disk with its key, and make one. */
const programs = {
  caas: {
    open: (path, key) => site.service.caas(['decrypt', path, '-o', '-'], {
      encoding: 'buffer', maxBuffer: 1 << 30, env: { CAAS_FILE_KEY: key },
    }),
    seal: (path, to) => site.service.caas(['encrypt', path, '-f', '-o', to]).trim(),
  },
  Python: {
    open: (path, key) => elsewhere('open', key, readFileSync(path)),
    seal(path, to) {
      const key = randomBytes(32).toString('base64url');
      writeFileSync(to, elsewhere('seal', key, readFileSync(path)));
      return key;
    },
  },
};

/** Runs a command of `elsewhere.py` with the service's variables, and returns what it printed. */
const elsewhere = (command, key, input = '') =>
  execFileSync('python3', [new URL('elsewhere.py', import.meta.url).pathname, command, key], {
    input, maxBuffer: 1 << 30, env: { ...process.env, ...site.service.env },
  });

for (const [program, { open, seal }] of Object.entries(programs)) {
  test(`session files open with ${program}, and the reverse`, async () => {
    const page = await opened();
    for (const size of [0, 1, 4 * MIB - 12, 4 * MIB, 9 * MIB + 5]) {
      const path = await file('session.bin', size);
      await choose(page, path);
      const saved = page.waitForEvent('download');
      const key = await page.evaluate(async () => {
        const sink = await caas.privateFile('sealed');
        const { key } = await caas.sealFile(document.querySelector('input').files[0], sink, {});
        offer(await sink.finish());
        return key;
      });
      await (await saved).saveAs(`${path}.sealed`);
      assert.ok(open(`${path}.sealed`, key).equals(readFileSync(path)), `${program} opens ${size} bytes`);

      const theirs = seal(path, `${path}.sealed`);
      await choose(page, `${path}.sealed`);
      const back = page.waitForEvent('download');
      await page.evaluate(async (key) => {
        const sink = await caas.privateFile('opened');
        await caas.openFile(document.querySelector('input').files[0], key, sink, {});
        offer(await sink.finish());
      }, theirs);
      await (await back).saveAs(`${path}.opened`);
      assert.equal(await digest(`${path}.opened`), await digest(path));

      const changed = readFileSync(`${path}.sealed`);
      changed[changed.length - 1] ^= 1;
      writeFileSync(`${path}.sealed`, changed);
      await choose(page, `${path}.sealed`);
      const before = await page.evaluate(() => leftovers());
      const refused = page.evaluate(async (key) => {
        const sink = await caas.privateFile('opened');
        await caas.openFile(document.querySelector('input').files[0], key, sink, {}).catch((error) => {
          throw new Error(`code: ${error.code}`);
        });
      }, theirs);
      assert.equal(await code(refused), 'not-authentic');
      assert.deepEqual(await page.evaluate(() => leftovers()), before);
    }
    await page.reload();
    await page.waitForFunction(() => window.caas);
    assert.deepEqual(await page.evaluate(() => caas.wipe().then(leftovers)), [], 'a new page wipes what the old one left');
  });
}

test("AWS's client opens what the page stores, and the reverse", async () => {
  const page = await opened();
  for (const [size, partSize] of [[0], [9 * MIB + 5], [20 * MIB + 3, 8 * MIB]]) {
    const path = await file(`aws${size}.bin`, size);
    await choose(page, path);
    const id = await upload(page, partSize);
    const key = `local/${Buffer.from(id, 'base64url')}`;
    assert.ok(elsewhere('get', key).equals(readFileSync(path)), `AWS's client opens ${size} bytes`);

    const theirs = randomBytes(size);
    elsewhere('put', key, theirs);
    await save(page, id, `${path}.copy`);
    assert.ok(readFileSync(`${path}.copy`).equals(theirs), `${size} bytes of AWS's client`);
  }
});

test('a tampered object saves nothing', async () => {
  const page = await opened();
  const path = await file('tampered.bin', 20 * MIB);
  await choose(page, path);
  const id = await upload(page, 8 * MIB);
  for (const at of [0, 10 * MIB, 20 * MIB + 15]) {
    site.tamper = at;
    const outcome = code(page.evaluate(async (id) => {
      const grant = await backend(`/api/files/${id}/grant?through`);
      const sink = await caas.privateFile(grant.name, { size: grant.size });
      await caas.download(grant, sink, {}).catch((error) => {
        throw new Error(`code: ${error.code}`);
      });
    }, id));
    assert.equal(await outcome, 'not-authentic', `byte ${at}`);
    assert.deepEqual(await page.evaluate(() => leftovers()), []);
  }
});

test('the published vectors open in the browser', async () => {
  const page = await opened();
  const vectors = JSON.parse(readFileSync(new URL('../../docs/formats/vectors.json', import.meta.url)));
  for (const { key, plaintext, file } of vectors.session_files) {
    const text = await page.evaluate(async ([key, hex]) => {
      const bytes = Uint8Array.from(hex.match(/../g), (byte) => parseInt(byte, 16));
      const chunks = [];
      await caas.openFile(new Blob([bytes]), key, { write: (chunk) => chunks.push(...chunk) });
      return chunks.map((byte) => byte.toString(16).padStart(2, '0')).join('');
    }, [key, file]);
    assert.equal(text, plaintext);
  }
});

test('every failure has its code', async () => {
  const page = await opened();
  const failures = await page.evaluate(async () => {
    const file = new File(['some text'], 'file.txt');
    const begin = (fields) => backend('/api/uploads', { name: file.name, size: file.size, mode: 'client', ...fields });
    const failed = (work) => work.then(() => 'nothing', ({ code, message }) => `${code}: ${message.length > 20}`);
    const sink = () => ({ write() {} });
    const [used, expired] = [await begin(), await begin()];
    const { id } = await caas.upload(used, file);
    const grant = await backend(`/api/files/${id}/grant`);
    const old = (url) => url.replace(/X-Amz-Date=\d{4}/, 'X-Amz-Date=2020');
    const gone = { ...(await begin({ part_size: 8 << 20 })) };
    await api.abort({ upload: gone.upload });
    return {
      used: await failed(caas.upload(used, file)),
      expired: await failed(caas.upload({ ...expired, url: old(expired.url) }, file)),
      'expired grant': await failed(caas.download({ ...grant, url: old(grant.url) }, sink())),
      replaced: await failed(caas.download({ ...grant, url: old(grant.url) }, sink(), { renew: () => ({ ...grant, etag: 'x' }) })),
      gone: await failed(caas.upload(gone, file, { api })),
      'another key': await failed(caas.openFile(new Blob([new Uint8Array(40)]), 'A'.repeat(43), sink())),
      'no key': await failed(caas.openFile(new Blob([new Uint8Array(40)]), 'key', sink())),
      'too short': await failed(caas.openFile(new Blob([new Uint8Array(27)]), 'A'.repeat(43), sink())),
      full: await failed(caas.privateFile('x', { size: 1e15 })),
      refused: await failed(begin({ part_size: 1 })),
      cancelled: await failed(caas.upload(await begin(), file, { signal: AbortSignal.abort() })),
    };
  });
  assert.deepEqual(failures, {
    used: 'used: true',
    expired: 'expired: true',
    'expired grant': 'expired: true',
    replaced: 'changed: true',
    gone: 'gone: true',
    'another key': 'not-authentic: true',
    'no key': 'not-authentic: true',
    'too short': 'not-authentic: true',
    full: 'disk-full: true',
    refused: 'refused: true',
    cancelled: 'cancelled: false',
  });
  assert.deepEqual(await page.evaluate(() => leftovers()), []);
});

test('an origin that the storage does not allow is named as the reason', async () => {
  const page = await opened();
  // As if its CORS rules named other sites.
  await page.route('**/caas-vault/**', (route) =>
    route.fulfill({ status: 200, headers: { 'access-control-allow-origin': 'https://other.example' } }));
  const outcome = await page.evaluate(async () => {
    const begun = await backend('/api/uploads', { name: 'x', size: 1, mode: 'client' });
    return caas.upload(begun, new File(['x'], 'x')).catch(({ code }) => code);
  });
  assert.equal(outcome, 'origin');
});

test('without HTTPS it says so', async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.route('http://plain.example/**', async (route) => {
    const { pathname } = new URL(route.request().url());
    await route.fulfill({ response: await route.fetch({ url: site.url + pathname }) });
  });
  await page.goto('http://plain.example/test.html');
  await page.waitForFunction(() => window.caas);
  const { ok, reason } = await page.evaluate(() => caas.supported());
  assert.equal(ok, false);
  assert.match(reason, /HTTPS/);
  await context.close();
});

/** Uploads until a few parts are sent, and then calls `cut`. */
async function cutUpload(page, path, cut) {
  await choose(page, path);
  const uploading = upload(page, 8 * MIB).catch(() => {});
  await page.waitForFunction(() => window.progress.sent > 24 * 1024 * 1024, undefined, { polling: 20, timeout: 60_000 });
  await cut();
  return uploading;
}

const resume = (page) =>
  page.evaluate(async () => {
    const journal = caas.journal();
    const [record] = await journal.list();
    const [chosen] = document.querySelector('input').files;
    const { id } = await caas.resume(record, chosen, { api, journal, onProgress }).catch((error) => {
      throw new Error(`code: ${error.code} ${error.message}`);
    });
    return { id, left: (await journal.list()).length };
  });

test('an upload goes on after a reload, and no key was kept', async () => {
  const page = await opened();
  const path = await file('reload.bin', 100 * MIB + 7);
  await cutUpload(page, path, () => page.reload());
  await page.waitForFunction(() => window.caas);
  assert.equal(await page.evaluate((keys) => stores(keys), site.keys), false, 'a key in storage');
  await choose(page, path);
  const { id, left } = await resume(page);
  assert.equal(left, 0);
  assert.equal(await site.stored(id), await digest(path));
});

test('a file that changed between is refused, and its upload is aborted', async () => {
  const changes = {
    'one byte, same size and time': (path) => {
      const { atime, mtime } = statSync(path);
      const bytes = readFileSync(path);
      bytes[12 * MIB] ^= 1;
      writeFileSync(path, bytes);
      utimesSync(path, atime, mtime);
    },
    longer: (path) => writeFileSync(path, 'x', { flag: 'a' }),
    shorter: (path) => writeFileSync(path, readFileSync(path).subarray(1)),
  };
  for (const [name, change] of Object.entries(changes)) {
    const page = await opened();
    const path = await file('changed.bin', 100 * MIB);
    const open = site.begun - site.aborted;
    await cutUpload(page, path, () => page.reload());
    await page.waitForFunction(() => window.caas);
    change(path);
    await choose(page, path);
    assert.equal(await code(resume(page)), 'changed', name);
    assert.deepEqual(await page.evaluate(() => caas.journal().list()), [], name);
    assert.equal(site.begun - site.aborted, open, name);
    await page.context().close();
  }
});

test('an upload and a download survive a restart of the service', async () => {
  const page = await opened();
  const path = await file('restart.bin', 150 * MIB);
  const restart = async () => {
    await site.service.kill();
    await site.service.restart();
  };
  const id = await cutUpload(page, path, restart);
  assert.equal(await site.stored(id), await digest(path));

  await page.evaluate(() => (window.progress.sent = 0));
  const saving = save(page, id, `${path}.copy`);
  await page.waitForFunction(() => window.progress.sent > 16 * 1024 * 1024, undefined, { polling: 20 });
  await restart();
  await saving;
  assert.equal(await digest(`${path}.copy`), await digest(path));
});

test('an upload and a download survive ten seconds offline', async () => {
  const page = await opened();
  const path = await file('offline.bin', 150 * MIB);
  const offline = async () => {
    await page.context().setOffline(true);
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    await page.context().setOffline(false);
  };
  const id = await cutUpload(page, path, offline);
  assert.equal(await site.stored(id), await digest(path));

  await page.evaluate(() => (window.progress.sent = 0));
  const saving = save(page, id, `${path}.copy`);
  await page.waitForFunction(() => window.progress.sent > 16 * 1024 * 1024, undefined, { polling: 20 });
  await offline();
  await saving;
  assert.equal(await digest(`${path}.copy`), await digest(path));
});

test('a disk that fills up in the middle leaves nothing', async () => {
  // What is kept in memory alone has no quota.
  const context = await launchOnDisk(join(folder, 'profile'));
  const page = await opened(context);
  const path = await file('full.bin', 100 * MIB);
  await choose(page, path);
  const id = await upload(page, 8 * MIB);
  await page.evaluate(() => (window.progress.sent = 0));
  const debugging = await context.newCDPSession(page);
  const downloads = [];
  page.on('download', (download) => downloads.push(download));
  const outcome = code(page.evaluate(async (id) => {
    const grant = await backend(`/api/files/${id}/grant`);
    const sink = await caas.privateFile(grant.name, { size: grant.size });
    await caas.download(grant, sink, { onProgress }).catch((error) => {
      throw new Error(`code: ${error.code}`);
    });
  }, id));
  await page.waitForFunction(() => window.progress.sent > 16 * 1024 * 1024, undefined, { polling: 20 });
  await debugging.send('Storage.overrideQuotaForOrigin', { origin: site.url, quotaSize: MIB });
  assert.equal(await outcome, 'disk-full');
  assert.deepEqual(await page.evaluate(() => leftovers()), []);
  assert.deepEqual(downloads, []);
  await debugging.send('Storage.overrideQuotaForOrigin', { origin: site.url });
  await save(page, id, `${path}.copy`);
  assert.equal(await digest(`${path}.copy`), await digest(path));
  await context.close();
});

test('a file that the browser has cut is not saved', async () => {
  const page = await opened();
  await page.evaluate(() => {
    const { getFile } = FileSystemFileHandle.prototype;
    FileSystemFileHandle.prototype.getFile = async function () {
      return (await getFile.call(this)).slice(0, -1);
    };
  });
  const outcome = code(page.evaluate(async () => {
    const sink = await caas.privateFile('cut.bin');
    await sink.write(new Uint8Array(1000));
    await sink.finish().catch((error) => {
      throw new Error(`code: ${error.code}`);
    });
  }));
  assert.equal(await outcome, 'disk-full');
  assert.deepEqual(await page.evaluate(() => leftovers()), []);
});

test('pausing keeps the upload, cancelling aborts it', async () => {
  for (const [reason, left] of [['pause', 1], ['cancel', 0]]) {
    const page = await opened();
    await choose(page, await file('paused.bin', 100 * MIB));
    const outcome = await page.evaluate(async (reason) => {
      const [chosen] = document.querySelector('input').files;
      const begun = await backend('/api/uploads', { name: chosen.name, size: chosen.size, mode: 'client', part_size: 8 << 20 });
      const journal = caas.journal();
      const abort = new AbortController();
      const onProgress = ({ sent }) => sent > 20_000_000 && abort.abort(reason);
      const error = await caas.upload(begun, chosen, { api, journal, signal: abort.signal, onProgress }).catch((error) => error);
      return [error.code, (await journal.list()).length];
    }, reason);
    assert.deepEqual(outcome, ['cancelled', left], reason);
    await page.context().close();
  }
});

test('a journal lists the uploads of its owner, and forgets those that have ended', async () => {
  const page = await opened();
  const listed = await page.evaluate(async () => {
    const [anna, ben, nobody] = [{ owner: 'anna' }, { owner: 'ben' }, undefined].map((who) => caas.journal('owners', who));
    const record = (id, endsAt) => ({ id, name: id, endsAt });
    await anna.put(record('a', '2999-01-01T00:00:00Z'));
    await anna.put(record('ended', '2020-01-01T00:00:00Z'));
    await anna.putPart('ended', { number: 1 });
    await ben.put(record('b', '2999-01-01T00:00:00Z'));
    await nobody.put(record('n', '2999-01-01T00:00:00Z'));
    const ids = async (journal) => (await journal.list()).map(({ id }) => id);
    return {
      anna: await ids(anna), ben: await ids(ben), nobody: await ids(nobody),
      another: await ben.get('a'), own: (await anna.get('a')).name, ended: await anna.get('ended'), parts: await anna.parts('ended'),
    };
  });
  assert.deepEqual(listed, { anna: ['a'], ben: ['b'], nobody: ['n'], another: undefined, own: 'a', ended: undefined, parts: [] });
});

test('a page that loads keeps a file that another page has just begun', async () => {
  const page = await opened();
  const text = await page.evaluate(async () => {
    const query = navigator.locks.query.bind(navigator.locks);
    let file;
    navigator.locks.query = async () => {
      const locks = await query();
      const sink = await caas.privateFile('new.txt');
      await sink.write(new TextEncoder().encode('text'));
      file = await sink.finish();
      return locks;
    };
    await caas.wipe();
    return file.text();
  });
  assert.equal(text, 'text');
});
