// Names, problems and pages of somebody who means harm.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';

import { browser, service } from './started.mjs';
import { newPage, open } from './support.mjs';

const PAYLOADS = [
  '<script>window.owned=1</script>',
  '<img src=x onerror=window.owned=1>',
  '"><svg onload=window.owned=1>',
  "'-window.owned=1-'",
  '</title><iframe srcdoc="<script>parent.owned=1</script>">',
  'javascript:window.owned=1',
  '{{constructor.constructor("window.owned=1")()}}',
  '${window.owned=1}',
  '<a href="javascript:window.owned=1" autofocus onfocus=window.owned=1>x</a>',
  '<template><style>body{display:none}</style></template>',
  '\u202egnp.exe',
];

/** A slash would end the name's folder. */
const asName = (payload) => payload.replaceAll('/', '∕');
const problem = (detail, status = 400) => ({
  status, contentType: 'application/problem+json',
  body: JSON.stringify({ type: `/problems/${detail}`, title: detail, status, detail, instance: detail }),
});

async function nothingRan(page) {
  assert.equal(await page.evaluate(() => window.owned), undefined);
  const made = await page.evaluate(() => document.querySelectorAll('iframe, main svg, main img, main script, main style').length);
  assert.equal(made, 0);
  assert.deepEqual([page.violations, page.errors], [[], []]);
}

test('names of files are text, wherever they are shown', async () => {
  const page = await open(browser, service);
  const files = PAYLOADS.map((payload) => ({ name: asName(payload), mimeType: payload, buffer: Buffer.from('x') }));
  await page.locator('#upload-files').setInputFiles(files);
  for (const { name } of files) {
    await page.locator('#transfers .job.done .name').getByText(name, { exact: true }).waitFor();
    await page.locator('#files .name').getByText(name, { exact: true }).waitFor();
  }
  await page.locator('#search').fill(asName(PAYLOADS[0]));
  await page.getByRole('button', { name: `Delete ${asName(PAYLOADS[0])}` }).click();
  await page.getByRole('dialog').getByText(asName(PAYLOADS[0])).waitFor();
  await page.getByRole('button', { name: 'Keep it' }).click();
  await nothingRan(page);

  await page.getByRole('tab', { name: 'Encrypt a file' }).click();
  await page.locator('#seal-file').setInputFiles(files);
  for (const { name } of files) await page.locator('#sealed .job.done .name').getByText(name, { exact: true }).waitFor();
  await page.locator('#open-file').setInputFiles(files[1]);
  await page.locator('#open-name').getByText(files[1].name).waitFor();
  await nothingRan(page);
});

test('problems and listings are text', async () => {
  for (const payload of PAYLOADS) {
    const page = await open(browser, service);
    const listed = {
      id: payload, path: `${payload}/${payload}`, name: payload, size: payload, created_at: payload, etag: payload,
    };
    await page.route(/\/api\/files\?/, (route) => route.fulfill({ json: { files: [listed], next_cursor: null } }));
    await page.getByRole('button', { name: 'Refresh' }).click();
    await page.locator('#files').getByText(`${payload.split('/')[0]}/`).first().waitFor();
    await page.locator('#search').fill(payload);
    await page.route(/\/api\/files\//, (route) => route.fulfill(problem(payload)));
    await page.locator('#files').getByRole('button', { name: 'Download' }).click();
    await page.locator('#transfers .job.failed .state').getByText(payload).waitFor();
    await page.getByRole('tab', { name: 'Values' }).click();
    await page.route(/\/encrypt$/, (route) => route.fulfill(problem(payload)));
    await page.locator('#values-submit').click();
    await page.locator('#values-problem').getByText(payload).waitFor();
    await page.unroute(/\/encrypt$/);
    await page.route(/\/encrypt$/, (route) => route.fulfill({ json: { encrypted_data: payload } }));
    await page.locator('#datum').fill(payload);
    await page.locator('#values-submit').click();
    await page.locator('#values-output').getByText(payload).waitFor();
    await nothingRan(page);
    await page.context().close();
  }
});

test('no text becomes a script', async () => {
  const page = await open(browser, service);
  const refused = await page.evaluate(async () => {
    // What the debugger itself runs may evaluate text.
    await new Promise((resolve) => setTimeout(resolve));
    const attempts = [
      () => (document.body.innerHTML = '<b>x</b>'),
      () => document.write('x'),
      () => (document.createElement('script').text = '1'),
      () => new Worker('/caas.mjs'),
      () => eval('1'),
    ];
    return attempts.filter((attempt) => {
      try {
        attempt();
        return false;
      } catch {
        return true;
      }
    }).length;
  });
  assert.equal(refused, 5);
});

test('the API key is in no URL, storage, log or history', async () => {
  const page = await newPage(browser);
  const urls = [];
  page.context().on('request', (request) => urls.push(request.url()));
  await page.goto(service.link);
  await page.locator('#key-held').waitFor();
  const { key } = service;
  await page.locator('#upload-files').setInputFiles({ name: 'a.bin', mimeType: '', buffer: Buffer.alloc(9_000_000) });
  await page.locator('#transfers .job.done').waitFor();
  // And one that is unfinished, whose record is kept.
  await page.route(/partNumber=/, () => {});
  const sent = page.waitForRequest(/partNumber=/);
  await page.locator('#upload-files').setInputFiles({ name: 'b.bin', mimeType: '', buffer: Buffer.alloc(9_000_000) });
  await sent;
  await page.getByRole('tab', { name: 'Values' }).click();
  await page.locator('#values-submit').click();
  await page.locator('#values-output').waitFor();
  const stored = await page.evaluate(async () => {
    const found = [JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie, location.href,
      document.documentElement.outerHTML, JSON.stringify(history.state)];
    for (const input of document.querySelectorAll('input, textarea')) found.push(input.value);
    for (const { name } of await indexedDB.databases()) {
      const database = await new Promise((resolve) => (indexedDB.open(name).onsuccess = ({ target }) => resolve(target.result)));
      for (const store of database.objectStoreNames) {
        const all = database.transaction(store).objectStore(store).getAll();
        found.push(JSON.stringify(await new Promise((resolve) => (all.onsuccess = () => resolve(all.result)))));
      }
    }
    for (const name of await caches.keys()) {
      const cache = await caches.open(name);
      for (const kept of await cache.keys()) {
        found.push(kept.url, JSON.stringify([...kept.headers]), await (await cache.match(kept)).text());
      }
    }
    return found;
  });
  assert.ok(stored.some((text) => text.includes('b.bin') && text.includes('"owner"')));
  const code = service.link.split('=').at(-1);
  for (const secret of [key, code]) {
    for (const text of [...stored, ...page.console, service.log, ...urls.map((url) => url.split('#')[0])]) {
      assert.ok(!text.includes(secret), text.slice(0, 200));
    }
  }
});

test('a page of another origin can do nothing with it', async () => {
  const victim = await open(browser, service);
  const evil = createServer((_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><p>evil'));
  await new Promise((listens) => evil.listen(0, '127.0.0.1', listens));
  try {
    const page = await victim.context().newPage();
    await page.goto(`http://localhost:${evil.address().port}/`);
    const gained = await page.evaluate(async (url) => {
      const gained = [];
      const attempt = async (name, act) => {
        try {
          const value = await act();
          if (value) gained.push(`${name}: ${value}`);
        } catch {
          // As it should.
        }
      };
      const json = { method: 'POST', headers: { 'content-type': 'application/json' } };
      await attempt('list', async () => (await fetch(`${url}/api/files`)).status);
      await attempt('list with cookies', async () => (await fetch(`${url}/api/files`, { credentials: 'include' })).status);
      await attempt('value', async () => (await fetch(`${url}/encrypt`, { ...json, body: '{}' })).status);
      await attempt('code', async () => (await fetch(`${url}/local/api-key`, { ...json, body: '{"code":""}' })).status);
      await attempt('page', async () => (await fetch(`${url}/`, { headers: { accept: 'text/html' } })).status);
      await attempt('frame', async () => {
        const frame = document.body.appendChild(Object.assign(document.createElement('iframe'), { src: url }));
        await new Promise((resolve) => (frame.onload = resolve));
        return frame.contentDocument?.title;
      });
      await attempt('window', async () => {
        const opened = window.open(url, 'victim');
        await new Promise((resolve) => setTimeout(resolve, 1500));
        return opened && !opened.closed && opened.length >= 0 && opened.document.title;
      });
      return gained;
    }, service.url);
    assert.deepEqual(gained, []);
    const frame = page.frames().find((one) => one !== page.mainFrame());
    assert.equal(await frame?.locator('main').count() ?? 0, 0, 'the page is not shown in a frame');
    // The page that was open before has noticed nothing.
    assert.ok(await victim.locator('#key-held').isVisible());
  } finally {
    evil.close();
  }
});
