// The vault's tab: uploads, what interrupts them, the list, and downloads.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { browser, service } from './started.mjs';
import { Service, enter, open } from './support.mjs';

/** Long enough for eight parts. */
const LARGE = 60_000_000;

/** Writes a file to choose: those of a buffer have no time, which the page compares. */
function onDisk(name, content) {
  const path = join(service.folder, name);
  writeFileSync(path, content);
  return path;
}

const transfer = (page, name) => page.locator('#transfers .job', { hasText: name });
const entry = (page, name) => page.locator('#files > li', { hasText: name });
const state = (job, text) => job.locator('.state', { hasText: text }).waitFor();
const press = (job, name) => job.getByRole('button', { name }).click();

async function store(page, ...paths) {
  await page.locator('#upload-files').setInputFiles(paths);
}

async function fetched(page, name) {
  const [download] = await Promise.all([
    page.waitForEvent('download'), entry(page, name).getByRole('button', { name: 'Download' }).click(),
  ]);
  return readFileSync(await download.path());
}

/** Slows S3 down, so that something can happen in the middle. Returns a function that waits for some parts. */
async function slowly(page, milliseconds = 400) {
  let sent = 0;
  await page.route(/partNumber=/, async (route) => {
    if (route.request().method() === 'PUT') await new Promise((resolve) => setTimeout(resolve, milliseconds));
    sent += 1;
    await route.continue().catch(() => {});
  });
  return async (count) => {
    while (sent < count) await new Promise((resolve) => setTimeout(resolve, 20));
  };
}

/** Holds the parts of uploads back until `release` is called. `held` waits until that many have been. */
async function heldBack(page) {
  let [count, release] = [0];
  const released = new Promise((resolve) => (release = resolve));
  await page.route(/partNumber=/, async (route) => {
    count += route.request().method() === 'PUT';
    await released;
    await route.continue().catch(() => {});
  });
  const held = async (parts) => {
    while (count < parts) await new Promise((resolve) => setTimeout(resolve, 20));
  };
  return { held, release };
}

test('files of every length go up and come down, several at once', async () => {
  const page = await open(browser, service);
  const contents = new Map([0, 1, 1000, 20_000_000].map((length) => [`file-${length}.bin`, randomBytes(length)]));
  await store(page, ...Array.from(contents, ([name, content]) => onDisk(name, content)));
  for (const name of contents.keys()) await state(transfer(page, name), 'Stored');
  for (const [name, content] of contents) assert.ok((await fetched(page, name)).equals(content), name);
  for (const name of contents.keys()) await state(transfer(page, name).last(), 'Verified in full');
  // And with the command line, both ways.
  service.caas(['get', 'file-20000000.bin', '-o', 'copy']);
  assert.ok(readFileSync(join(service.folder, 'copy')).equals(contents.get('file-20000000.bin')));
  writeFileSync(join(service.folder, 'of-caas.bin'), contents.get('file-1000.bin'));
  service.caas(['put', 'of-caas.bin']);
  await page.getByRole('button', { name: 'Refresh' }).click();
  assert.ok((await fetched(page, 'of-caas.bin')).equals(contents.get('file-1000.bin')));
  assert.deepEqual([page.violations, page.errors], [[], []]);
});

test('the service encrypts, if asked', async () => {
  const page = await open(browser, service);
  await page.getByLabel('In the service').check();
  const content = randomBytes(100_000);
  await store(page, onDisk('dropped.txt', content));
  await state(transfer(page, 'dropped.txt'), 'It is listed once it is sealed');
  while ((await entry(page, 'dropped.txt').count()) === 0) {
    await page.getByRole('button', { name: 'Refresh' }).click();
    await page.waitForTimeout(200);
  }
  assert.ok((await fetched(page, 'dropped.txt')).equals(content));
});

test('a folder is stored file by file', async () => {
  const page = await open(browser, service);
  mkdirSync(join(service.folder, 'album', 'summer'), { recursive: true });
  for (const name of ['one.jpg', 'summer/two.jpg']) onDisk(`album/${name}`, name);
  await page.locator('#upload-folder').setInputFiles(join(service.folder, 'album'));
  for (const name of ['one.jpg', 'two.jpg']) {
    await state(transfer(page, name), 'Stored');
    await entry(page, name).waitFor();
  }
});

test('files are listed by folder, and found by name', async () => {
  const own = await Service.start();
  try {
    const s3 = (name) => ['s3', 'put', 'x.txt', `s3://${own.env.VAULT_BUCKET}/local/${name}`, '--kms-key', own.env.FILE_KEY_ID];
    writeFileSync(join(own.folder, 'x.txt'), 'x');
    for (const name of ['reports/2025/a.txt', 'reports/2026/b.txt', 'reports/c.txt']) {
      own.caas([...s3(name), '--context', `caas:object=${await hashed(`local/${name}`)}`]);
    }
    const page = await open(browser, own);
    const names = () => page.locator('#files > li').evaluateAll((rows) => rows.map((row) =>
      (row.querySelector('.name') ?? row.querySelector('button')).textContent));
    await entry(page, 'reports').waitFor();
    assert.deepEqual(await names(), ['reports/']);
    await page.getByRole('button', { name: 'Open folder reports' }).click();
    assert.deepEqual(await names(), ['2025/', '2026/', 'c.txt']);
    await page.getByRole('button', { name: 'Open folder 2026' }).click();
    assert.deepEqual(await names(), ['b.txt']);
    await page.getByRole('button', { name: 'All files' }).click();
    await page.getByLabel('Search by name').fill('A.TXT');
    assert.deepEqual(await names(), ['reports/2025/a.txt']);
    await page.getByText('1 file found.').waitFor();
    await page.getByLabel('Search by name').fill('nothing');
    assert.deepEqual(await names(), []);
  } finally {
    await own.stop();
  }
});

async function hashed(text) {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return Buffer.from(digest).toString('hex');
}

test('deleting and purging are asked about', async () => {
  const page = await open(browser, service);
  await store(page, onDisk('gone.txt', 'gone'), onDisk('purged.txt', 'purged'));
  const question = page.getByRole('dialog');
  for (const [name, control, text, yes] of [
    ['gone.txt', 'Delete', 'recover it for a while', 'Delete'],
    ['purged.txt', 'Purge', 'Nobody can bring it back', 'Remove permanently'],
  ]) {
    await entry(page, name).waitFor();
    await page.getByRole('button', { name: `${control} ${name}` }).click();
    assert.match(await question.textContent(), new RegExp(`“${name}”.*${text}`));
    await question.getByRole('button', { name: 'Keep it' }).click();
    assert.equal(await entry(page, name).count(), 1);
    await page.getByRole('button', { name: `${control} ${name}` }).click();
    await question.getByRole('button', { name: yes }).click();
    await entry(page, name).waitFor({ state: 'detached' });
  }
});

test('an upload is paused, goes on and is cancelled', async () => {
  const page = await open(browser, service);
  const parts = await slowly(page);
  const content = randomBytes(LARGE);
  await store(page, onDisk('paused.bin', content));
  await parts(2);
  await press(transfer(page, 'paused.bin'), 'Pause');
  await state(transfer(page, 'paused.bin'), 'Paused.');
  await press(transfer(page, 'paused.bin'), 'Resume');
  await state(transfer(page, 'paused.bin'), 'Stored');
  assert.ok((await fetched(page, 'paused.bin')).equals(content));

  const before = await page.evaluate(() => indexedDB.databases().then((all) => all.length));
  assert.ok(before > 0);
  await store(page, onDisk('cancelled.bin', content));
  await page.waitForFunction(unfinished, 1);
  await press(transfer(page, 'cancelled.bin'), 'Cancel');
  await transfer(page, 'cancelled.bin').waitFor({ state: 'detached' });
  await page.waitForFunction(unfinished, 0);
  await page.getByRole('button', { name: 'Refresh' }).click();
  assert.equal(await entry(page, 'cancelled.bin').count(), 0);
});

/** Whether the journal has that many uploads. */
function unfinished(count) {
  return new Promise((resolve) => {
    const request = indexedDB.open('caas');
    request.onsuccess = () => {
      const uploads = request.result.transaction('uploads').objectStore('uploads').getAll();
      uploads.onsuccess = () => {
        request.result.close();
        resolve(uploads.result.length === count);
      };
    };
  });
}

test('after a reload an upload goes on with the file that is chosen again', async () => {
  const page = await open(browser, service);
  const parts = await slowly(page);
  const content = randomBytes(LARGE);
  const path = onDisk('reloaded.bin', content);
  await store(page, path);
  await parts(3);
  page.on('dialog', (dialog) => dialog.accept());
  await page.reload();
  await page.getByRole('tab', { name: 'Vault' }).click();
  await page.getByRole('textbox', { name: 'API key' }).fill(service.key);
  await page.getByRole('button', { name: 'Use this key' }).click();
  const item = page.locator('#unfinished .job', { hasText: 'reloaded.bin' });
  const again = item.getByLabel('Choose reloaded.bin again');
  await again.setInputFiles(onDisk('other.bin', 'other'));
  await item.getByText('This is another file, or it has changed.').waitFor();
  await again.setInputFiles(path);
  await state(transfer(page, 'reloaded.bin'), 'Stored');
  await item.waitFor({ state: 'detached' });
  assert.ok((await fetched(page, 'reloaded.bin')).equals(content));
  assert.deepEqual([page.violations, page.errors], [[], []]);
});

test('no tab ends an upload that another tab runs', async () => {
  const elsewhere = 'This upload goes on in another tab.';
  const page = await open(browser, service);
  const content = randomBytes(LARGE);
  const path = onDisk('shared.bin', content);
  const parts = await heldBack(page);
  await store(page, path);
  await parts.held(1);
  await press(transfer(page, 'shared.bin'), 'Pause');
  await state(transfer(page, 'shared.bin'), 'Paused.');

  const other = await page.context().newPage();
  const otherParts = await heldBack(other);
  await enter(other, service);
  const item = other.locator('#unfinished .job', { hasText: 'shared.bin' });
  const again = item.getByLabel('Choose shared.bin again');
  await again.waitFor();
  await press(transfer(page, 'shared.bin'), 'Resume');
  await parts.held(5);
  await press(item, 'Discard');
  await item.getByText(elsewhere).waitFor();
  await again.setInputFiles(path);
  await state(transfer(other, 'shared.bin'), elsewhere);
  await press(transfer(other, 'shared.bin'), 'Remove');
  await transfer(other, 'shared.bin').waitFor({ state: 'detached' });

  await press(transfer(page, 'shared.bin'), 'Pause');
  await state(transfer(page, 'shared.bin'), 'Paused.');
  await enter(other, service);
  await again.setInputFiles(path);
  await otherParts.held(1);
  await press(transfer(page, 'shared.bin'), 'Cancel');
  await state(transfer(page, 'shared.bin'), elsewhere);
  await press(transfer(page, 'shared.bin'), 'Remove');
  await transfer(page, 'shared.bin').waitFor({ state: 'detached' });
  otherParts.release();
  await state(transfer(other, 'shared.bin'), 'Stored');
  await page.getByRole('button', { name: 'Refresh' }).click();
  assert.ok((await fetched(page, 'shared.bin')).equals(content));
});

test('a client sees no unfinished upload of another client', async () => {
  const page = await open(browser, service);
  const { held, release } = await heldBack(page);
  await store(page, onDisk('private-name.bin', randomBytes(LARGE)));
  await held(1);
  await press(transfer(page, 'private-name.bin'), 'Pause');
  await state(transfer(page, 'private-name.bin'), 'Paused.');

  const other = await page.context().newPage();
  const item = other.locator('#unfinished .job', { hasText: 'private-name.bin' });
  await enter(other, service);
  await item.waitFor();
  const keys = [[], ['--scope', 'files:read']].map((scopes) =>
    service.caas(['keys', 'new', 'other', ...scopes]).match(/caas_[\w-]+/)[0]);
  for (const key of keys) {
    await useKey(other, key);
    await other.locator('#files-state', { hasText: 'No files' }).waitFor();
    await item.waitFor({ state: 'detached' });
    await useKey(other, service.key);
    await item.waitFor();
  }

  await useKey(page, keys[0]);
  await press(transfer(page, 'private-name.bin'), 'Resume');
  await state(transfer(page, 'private-name.bin'), 'began with another API key');
  await useKey(page, service.key);
  release();
  await press(transfer(page, 'private-name.bin'), 'Try again');
  await state(transfer(page, 'private-name.bin'), 'Stored');
});

/** Replaces the API key, without a reload. */
async function useKey(page, key) {
  await press(page, 'Forget the key');
  await page.getByRole('textbox', { name: 'API key' }).fill(key);
  await press(page, 'Use this key');
  await page.locator('#key-held').waitFor();
}

test('a connection that is lost comes back', async () => {
  const page = await open(browser, service);
  const parts = await slowly(page);
  const content = randomBytes(LARGE);
  await store(page, onDisk('offline.bin', content));
  await parts(2);
  await page.context().setOffline(true);
  await page.locator('#offline').waitFor();
  await page.waitForTimeout(10_000);
  await page.context().setOffline(false);
  await state(transfer(page, 'offline.bin'), 'Stored');
  assert.ok((await fetched(page, 'offline.bin')).equals(content));
});

test('the service restarts in the middle', async () => {
  const own = await Service.start();
  try {
    const page = await open(browser, own);
    const parts = await slowly(page);
    const content = randomBytes(LARGE);
    const path = onDisk('restarted.bin', content);
    await store(page, path);
    await parts(2);
    await own.kill();
    await own.restart();
    await state(transfer(page, 'restarted.bin'), 'Stored');
    assert.ok((await fetched(page, 'restarted.bin')).equals(content));
  } finally {
    await own.stop();
  }
});

test('a key that only stores shows storing alone', async () => {
  const key = service.caas(['keys', 'new', 'local', '--scope', 'files:write']).match(/caas_[\w-]+/)[0];
  const page = await open(browser, service, { key });
  await page.locator('#key-allows', { hasText: 'It cannot list or read them.' }).waitFor();
  assert.ok(await page.locator('#listing').isHidden());
  await store(page, onDisk('written.txt', 'written'));
  await state(transfer(page, 'written.txt'), 'Stored');

  const reader = service.caas(['keys', 'new', 'local', '--scope', 'files:read']).match(/caas_[\w-]+/)[0];
  const reading = await open(browser, service, { key: reader });
  assert.ok(await reading.locator('#upload').isHidden());
  await entry(reading, 'written.txt').getByRole('button', { name: 'Delete' }).click();
  await reading.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await reading.locator('#files-state', { hasText: 'files:delete' }).waitFor();
});

test('a tampered object is not saved', async () => {
  const page = await open(browser, service);
  await store(page, onDisk('tampered.bin', randomBytes(1_000_000)));
  await entry(page, 'tampered.bin').waitFor();
  let tampered = 0;
  await page.route(/X-Amz-Signature/, async (route) => {
    const response = await route.fetch();
    const body = await response.body();
    body[500_000] ^= 1;
    tampered += 1;
    await route.fulfill({ response, body });
  });
  const downloads = [];
  page.on('download', (download) => downloads.push(download));
  await page.getByRole('button', { name: 'Download tampered.bin' }).click();
  const job = page.locator('#transfers .job.failed');
  await job.getByText('The file does not open: it was changed').waitFor();
  assert.equal(tampered, 1);
  assert.deepEqual(downloads, []);
  const left = await page.evaluate(async () => {
    const names = [];
    const root = await navigator.storage.getDirectory();
    for await (const name of (await root.getDirectoryHandle('caas')).keys()) names.push(name);
    return names;
  });
  assert.deepEqual(left, []);
});

/** What S3 says of a request, and the sentence for it. */
const REFUSALS = [
  ['expired', 403, 'The link has expired.'],
  ['used twice', 412, 'This link was used already, and works once.'],
];

for (const [name, status, sentence] of REFUSALS) {
  test(`an upload whose link is ${name} says so`, async () => {
    const page = await open(browser, service);
    await page.route(/X-Amz-Signature/, (route) => route.fulfill({
      status, body: '<Error/>', headers: { 'access-control-allow-origin': '*', 'access-control-expose-headers': 'etag' },
    }));
    await store(page, onDisk(`${status}.txt`, 'text'));
    await transfer(page, `${status}.txt`).getByText(sentence).waitFor();
    // A new attempt asks for a new link.
    await page.unroute(/X-Amz-Signature/);
    await press(transfer(page, `${status}.txt`), 'Try again');
    await state(transfer(page, `${status}.txt`), 'Stored');
  });
}

test('a file whose first response is lost is stored, and once', async () => {
  const page = await open(browser, service);
  let sent = 0;
  await page.route(/X-Amz-Signature/, async (route) => {
    if (route.request().method() === 'PUT') sent += 1;
    if (sent === 1) {
      await route.fetch();
      await route.abort('connectionreset');
    } else if (sent === 2) {
      // S3 has not finished the first.
      await route.fulfill({ status: 409, body: '<Error/>', headers: { 'access-control-allow-origin': '*' } });
    } else {
      await route.continue();
    }
  });
  const content = randomBytes(5000);
  await store(page, onDisk('lost.bin', content));
  await state(transfer(page, 'lost.bin'), 'Stored');
  assert.equal(sent, 3);
  await page.unroute(/X-Amz-Signature/);
  await page.getByRole('button', { name: 'Refresh' }).click();
  assert.ok((await fetched(page, 'lost.bin')).equals(content));
  assert.equal(await entry(page, 'lost.bin').count(), 1);
});

test('a storage that does not accept the page says so', async () => {
  const page = await open(browser, service);
  await page.route(/X-Amz-Signature/, (route) => route.fulfill({
    status: 403, body: '<Error/>', headers: { 'access-control-allow-origin': 'https://other.example' },
  }));
  await store(page, onDisk('origin.txt', 'text'));
  await transfer(page, 'origin.txt').getByText('The storage does not accept requests from this site.')
    .waitFor({ timeout: 60_000 });
});

test('a download with no room says so', async () => {
  const page = await open(browser, service);
  await store(page, onDisk('room.txt', 'x'.repeat(5000)));
  await entry(page, 'room.txt').waitFor();
  await page.evaluate(() => (navigator.storage.estimate = async () => ({ quota: 1000, usage: 900 })));
  await entry(page, 'room.txt').getByRole('button', { name: 'Download' }).click();
  await page.locator('#transfers .job.failed', { hasText: 'There is not enough space' }).waitFor();
});

test('a file that is too long is refused before anything is sent', async () => {
  const page = await open(browser, service);
  const sent = [];
  page.on('request', (request) => sent.push(request.url()));
  await page.evaluate(() => {
    const transfer = new DataTransfer();
    const file = new File(['x'], 'huge.bin');
    Object.defineProperty(file, 'size', { value: 2 ** 36 });
    Object.defineProperty(transfer, 'files', { value: [file] });
    Object.defineProperty(transfer, 'items', { value: [] });
    const target = document.querySelector('[data-drop=upload-files]');
    target.dispatchEvent(Object.assign(new Event('drop'), { dataTransfer: transfer }));
  });
  await transfer(page, 'huge.bin').getByText('The file is longer than').waitFor();
  assert.deepEqual(sent.filter((url) => url.includes('/api/uploads') || url.includes('Signature')), []);
});

test('what S3 or KMS cannot serve says when to try again', async () => {
  const page = await open(browser, service);
  let attempts = 0;
  await page.route(/\/api\/uploads$/, (route) => {
    attempts += 1;
    return route.fulfill({
      status: 503, headers: { 'retry-after': '0' }, contentType: 'application/problem+json',
      body: JSON.stringify({ type: '/problems/dependency-unavailable', status: 503, title: 'x', detail: 'KMS did not respond.' }),
    });
  });
  await page.route(/\/api\/files\?/, (route) => route.abort());
  await store(page, onDisk('busy.txt', 'x'));
  await transfer(page, 'busy.txt').getByText('is not available. Try again in a few seconds.').waitFor({ timeout: 60_000 });
  assert.equal(attempts, 4);
  await page.getByRole('button', { name: 'Refresh' }).click();
  await page.locator('#files-state', { hasText: 'The service cannot be reached.' }).waitFor();
});
