// The tab that encrypts and decrypts files. Nothing is sent, so nothing else is needed.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { browser, service } from './started.mjs';
import { Service, newPage } from './support.mjs';

async function openSession(options) {
  const page = await newPage(browser, options);
  await page.goto(service.url);
  await page.locator('html[data-ready]').waitFor();
  return page;
}

const file = (name, buffer) => ({ name, mimeType: '', buffer });

/** Encrypts, and returns what the page lets somebody save. */
async function seal(page, name, content) {
  await page.locator('#seal-file').setInputFiles(file(name, content));
  const job = page.locator('#sealed .job', { hasText: name });
  const key = await job.getByLabel('Key').textContent();
  const sealed = await saved(page, job.getByRole('button', { name: 'Save the encrypted file' }));
  return { key, sealed, job };
}

async function open(page, name, content, key) {
  await page.locator('#open-file').setInputFiles(file(name, content));
  await page.locator('#open-key').fill(key);
  return saved(page, page.getByRole('button', { name: 'Decrypt' }));
}

async function saved(page, control) {
  const [download] = await Promise.all([page.waitForEvent('download'), control.click()]);
  const path = await download.path();
  return { name: download.suggestedFilename(), content: readFileSync(path) };
}

test('a file goes in and comes out, and nothing is sent', async () => {
  const page = await openSession();
  await page.waitForLoadState('networkidle');
  const sent = [];
  page.on('request', (request) => request.method() !== 'GET' && sent.push(request.url()));
  for (const length of [0, 1, 16, 5_000_000]) {
    const content = randomBytes(length);
    const { key, sealed, job } = await seal(page, `${length}.bin`, content);
    assert.match(key, /^[A-Za-z0-9_-]{43}$/);
    assert.equal(sealed.name, `${length}.bin.enc`);
    assert.equal(sealed.content.length, length + 28);
    const keyFile = await saved(page, job.getByRole('button', { name: 'Save the key' }));
    assert.equal(String(keyFile.content), `${key}\n`);
    const opened = await open(page, sealed.name, sealed.content, key);
    assert.equal(opened.name, `${length}.bin`);
    assert.ok(opened.content.equals(content));
  }
  assert.deepEqual([sent, page.violations, page.errors], [[], [], []]);
});

test('session files are those of caas and of the service', async () => {
  const page = await openSession();
  const content = randomBytes(3_000_000);
  const { key, sealed } = await seal(page, 'report.pdf', content);
  writeFileSync(join(service.folder, 'sealed'), sealed.content);
  service.caas(['decrypt', 'sealed', '-o', 'opened'], { env: { CAAS_FILE_KEY: key } });
  assert.ok(readFileSync(join(service.folder, 'opened')).equals(content));

  writeFileSync(join(service.folder, 'report.pdf'), content);
  const other = service.caas(['encrypt', 'report.pdf', '-o', 'of-caas']).trim();
  const opened = await open(page, 'report.pdf.caas', readFileSync(join(service.folder, 'of-caas')), other);
  assert.equal(opened.name, 'report.pdf');
  assert.ok(opened.content.equals(content));

  const form = new FormData();
  form.append('file', new File([content], 'report.pdf'));
  const response = await service.api('/encrypt_file', { method: 'POST', body: form });
  const body = Buffer.from(await response.arrayBuffer());
  const third = await open(page, 'report.pdf.enc', body, response.headers.get('encryption-key'));
  assert.ok(third.content.equals(content));
});

test('what does not open saves nothing and says why', async () => {
  const page = await openSession();
  const { key, sealed } = await seal(page, 'secret.txt', Buffer.from('secret'.repeat(100_000)));
  const flipped = Buffer.from(sealed.content);
  flipped[flipped.length >> 1] ^= 1;
  const wrong = `${key[0] === 'A' ? 'B' : 'A'}${key.slice(1)}`;
  const downloads = [];
  page.on('download', (download) => downloads.push(download.suggestedFilename()));
  for (const [content, used] of [
    [flipped, key], [sealed.content.subarray(0, -1), key], [sealed.content, wrong],
    [Buffer.concat([sealed.content, Buffer.from('x')]), key],
  ]) {
    await page.locator('#open-file').setInputFiles(file('secret.txt.enc', content));
    await page.locator('#open-key').fill(used);
    await page.getByRole('button', { name: 'Decrypt' }).click();
    const job = page.locator('#opened .job.failed');
    await job.getByText('The file does not open: it was changed, or the key is another file’s. Nothing was saved.').waitFor();
    await job.getByRole('button', { name: 'Remove' }).click();
  }
  for (const [content, used, sentence] of [
    [sealed.content, key.slice(1), 'The key has 43 characters'],
    [Buffer.alloc(27), key, 'shorter than 28 bytes'],
  ]) {
    await page.locator('#open-file').setInputFiles(file('secret.txt.enc', content));
    await page.locator('#open-key').fill(used);
    await page.getByRole('button', { name: 'Decrypt' }).click();
    await page.locator('#open-problem', { hasText: sentence }).waitFor();
  }
  assert.deepEqual([downloads, page.errors], [[], []]);
});

test('a full disk says so, and leaves nothing', async () => {
  const page = await openSession();
  await page.evaluate(() => (navigator.storage.estimate = async () => ({ quota: 1000, usage: 900 })));
  await page.locator('#seal-file').setInputFiles(file('large.bin', Buffer.alloc(10_000)));
  await page.locator('#sealed .job.failed', { hasText: 'There is not enough space for this file.' }).waitFor();
  // With room, trying again is enough.
  await page.evaluate(() => (navigator.storage.estimate = async () => ({ quota: 1e9, usage: 0 })));
  await page.locator('#sealed').getByRole('button', { name: 'Try again' }).click();
  await page.locator('#sealed .job.done').waitFor();
});

test('files are dropped, several at once, and a key file with them', async () => {
  const page = await openSession();
  const drop = (zone, files) => page.evaluate(([zone, files]) => {
    const transfer = new DataTransfer();
    for (const [name, bytes] of files) transfer.items.add(new File([new Uint8Array(bytes)], name));
    const target = document.querySelector(`[data-drop=${zone}]`);
    for (const type of ['dragover', 'drop']) {
      target.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
    }
  }, [zone, files]);
  await drop('seal-file', [['a.txt', [1, 2]], ['b.txt', [3]]]);
  const job = page.locator('#sealed .job.done', { hasText: 'b.txt' });
  const key = await job.getByLabel('Key').textContent();
  const sealed = await saved(page, job.getByRole('button', { name: 'Save the encrypted file' }));
  await drop('open-file', [['b.txt.enc.key', [...Buffer.from(`${key}\n`)]], ['b.txt.enc', [...sealed.content]]]);
  await page.waitForFunction((key) => document.getElementById('open-key').value === key, key);
  const opened = await saved(page, page.getByRole('button', { name: 'Decrypt' }));
  assert.deepEqual([...opened.content], [3]);
});

test('it works without a connection once it was loaded', async () => {
  const own = await Service.start();
  const page = await newPage(browser);
  await page.goto(own.url);
  await page.evaluate(async () => {
    await navigator.serviceWorker.ready;
    if (!navigator.serviceWorker.controller) {
      await new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve, { once: true }));
    }
  });
  await own.stop();
  await page.reload();
  const content = randomBytes(1000);
  const { key, sealed } = await seal(page, 'a.txt', content);
  const opened = await open(page, sealed.name, sealed.content, key);
  assert.ok(opened.content.equals(content));
  await page.context().setOffline(true);
  await page.locator('#offline', { hasText: 'You can still encrypt and decrypt' }).waitFor();
  assert.deepEqual([page.violations, page.errors], [[], []]);
});

test('a key that was not kept is asked about before the page closes', async () => {
  const page = await openSession();
  await page.locator('#seal-file').setInputFiles(file('a.txt', Buffer.from('a')));
  const job = page.locator('#sealed .job.done');
  await job.waitFor();
  const asked = [];
  page.on('dialog', (dialog) => {
    asked.push(dialog.type());
    dialog.accept();
  });
  await page.reload();
  assert.deepEqual(asked, ['beforeunload']);

  await page.locator('#seal-file').setInputFiles(file('b.txt', Buffer.from('b')));
  await saved(page, page.locator('#sealed').getByRole('button', { name: 'Save the key' }));
  await page.reload();
  await page.locator('#seal-file').setInputFiles(file('c.txt', Buffer.from('c')));
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.getByRole('button', { name: 'Copy the key' }).click();
  await page.getByRole('button', { name: 'Copied' }).waitFor();
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^[A-Za-z0-9_-]{43}$/);
  await page.reload();
  assert.deepEqual(asked, ['beforeunload']);

  await page.locator('#seal-file').setInputFiles(file('d.txt', Buffer.from('d')));
  await page.locator('#sealed').getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('dialog').getByText('neither copied nor saved').waitFor();
  await page.getByRole('button', { name: 'Remove both' }).click();
  await page.locator('#sealed .job').waitFor({ state: 'detached' });
});
