// The page itself: what it loads, how it looks, and who can use it.

import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
import { test } from 'node:test';

import { browser, service } from './started.mjs';
import { Service, enter, launch, newPage, open, seriousFindings } from './support.mjs';

/** What everything that the first paint needs may be long, compressed. */
const FIRST_PAINT_BYTES = 150_000;

const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };

test('the link of cargo run opens the vault, once', async () => {
  const page = await newPage(browser);
  await page.goto(service.link);
  await page.locator('#key-allows', { hasText: 'stores and reads files' }).waitFor();
  assert.equal(page.url(), `${service.url}/`);
  await page.reload();
  await page.getByRole('tab', { name: 'Vault' }).click();
  assert.ok(await page.getByRole('button', { name: 'Use this key' }).isVisible(), 'a reload forgets the key');

  await page.goto(service.link);
  await page.getByText('This link has been used').waitFor();
  assert.deepEqual([page.violations, page.errors], [[], []]);
});

test('a key that is none says so', async () => {
  const page = await newPage(browser);
  await page.goto(service.url);
  await page.getByRole('tab', { name: 'Vault' }).click();
  for (const [key, sentence] of [
    ['', 'Enter the API key that the operator gave you'],
    ['ключ', 'Enter the API key that the operator gave you'],
    ['caas_wrong', 'Check it, or ask the operator for one.'],
  ]) {
    await page.getByRole('textbox', { name: 'API key' }).fill(key);
    await page.getByRole('button', { name: 'Use this key' }).click();
    await page.locator('#key-problem', { hasText: sentence }).waitFor();
  }
});

test('the first paint needs little, and nothing moves', async () => {
  const page = await newPage(browser);
  const session = await page.context().newCDPSession(page);
  await session.send('Network.enable');
  let bytes = 0;
  session.on('Network.loadingFinished', ({ encodedDataLength }) => (bytes += encodedDataLength));
  await page.addInitScript(() => {
    window.shift = 0;
    const add = (list) => list.getEntries().forEach(({ value }) => (window.shift += value));
    new PerformanceObserver(add).observe({ type: 'layout-shift', buffered: true });
  });
  await page.goto(service.url, { waitUntil: 'networkidle' });
  assert.ok(bytes > 5_000 && bytes <= FIRST_PAINT_BYTES, `${bytes} bytes`);
  console.log(`first paint: ${bytes} bytes`);
  assert.equal(await page.evaluate(() => window.shift), 0);
});

test('without JavaScript the page is there and says what is missing', async () => {
  const page = await newPage(browser, { javaScriptEnabled: false });
  await page.goto(service.url);
  assert.ok(await page.getByRole('heading', { name: 'Encrypt a file' }).isVisible());
  assert.ok(await page.locator('noscript p').isVisible());
});

test('no tab has serious findings, in any light and at any width', async () => {
  for (const options of [{}, { colorScheme: 'dark' }, PHONE, { ...PHONE, colorScheme: 'dark' }, { forcedColors: 'active' }]) {
    const page = await open(browser, service, options);
    for (const tab of ['Encrypt a file', 'Vault', 'Values']) {
      await page.getByRole('tab', { name: tab }).click();
      assert.deepEqual(await seriousFindings(page), [], `${tab} ${JSON.stringify(options)}`);
      const width = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(width[0] <= width[1], `${tab} is wider than the screen: ${width}`);
    }
    assert.deepEqual(page.errors, []);
    await page.context().close();
  }
});

test('at 200 % nothing is cut off', async () => {
  // A window of 1280 pixels at 200 % has 640.
  const page = await open(browser, service, { viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 });
  for (const tab of ['Encrypt a file', 'Vault', 'Values']) {
    await page.getByRole('tab', { name: tab }).click();
    const cut = await page.evaluate(() => Array.from(document.querySelectorAll('main *'))
      .filter((element) => element.checkVisibility() && element.getBoundingClientRect().right > innerWidth + 1)
      .filter((element) => !element.closest('pre, .unseen'))
      .map((element) => element.outerHTML.slice(0, 80)));
    assert.deepEqual(cut, [], tab);
  }
});

test('the keyboard is enough', async () => {
  const page = await newPage(browser);
  await page.goto(service.url);
  const focused = () => page.evaluate(() => {
    const element = document.activeElement;
    return element.id || element.textContent.trim();
  });
  const press = async (...keys) => {
    for (const key of keys) await page.keyboard.press(key);
  };
  await press('Tab');
  assert.equal(await focused(), 'Skip to the content');
  await press('Tab');
  assert.equal(await focused(), 'tab-session');
  await press('ArrowRight');
  assert.equal(await focused(), 'tab-vault');
  assert.ok(await page.getByRole('heading', { name: 'Vault' }).isVisible());
  await press('Tab');
  assert.equal(await focused(), 'key');
  await page.keyboard.type(service.key);
  await press('Enter');
  await page.locator('#key-allows', { hasText: 'stores and reads files' }).waitFor();
  await page.getByRole('tab', { name: 'Vault' }).focus();
  await press('ArrowRight', 'Tab', 'Tab', 'Tab');
  assert.equal(await focused(), 'user');
  await press('Tab', 'Tab');
  await page.keyboard.type('078-05-1120');
  await press('Tab', 'Tab', 'Enter');
  await page.getByText('Put this into your database:').waitFor();
  await press('Tab');
  assert.equal(await focused(), 'values-submit');
  // Everything that has the focus shows it.
  for (let step = 0; step < 12; step += 1) {
    await press('Tab');
    const outline = await page.evaluate(() => {
      const element = document.activeElement;
      return element === document.body ? 'body' : getComputedStyle(element).outlineStyle;
    });
    assert.notEqual(outline, 'none');
  }
  assert.deepEqual([page.violations, page.errors], [[], []]);
});

test('a page of plain HTTP from another machine says why it cannot work', async () => {
  // As a proxy without TLS.
  const { hostname, port } = new URL(service.url);
  const proxy = createServer((incoming, response) => {
    const headers = { ...incoming.headers, host: `${hostname}:${port}` };
    request({ hostname: '127.0.0.1', port, path: incoming.url, headers }, (own) => {
      response.writeHead(own.statusCode, own.headers);
      own.pipe(response);
    }).end();
  });
  await new Promise((listens) => proxy.listen(0, '127.0.0.1', listens));
  const other = await launch({ args: ['--host-resolver-rules=MAP caas.example 127.0.0.1'] });
  try {
    const page = await newPage(other);
    await page.goto(`http://caas.example:${proxy.address().port}/`);
    await page.getByText('This page was loaded over plain HTTP from another machine.').waitFor();
    assert.ok(await page.locator('#seal-file').isDisabled());
    assert.deepEqual([page.violations, page.errors], [[], []]);
  } finally {
    await other.close();
    proxy.close();
  }
});

test('under a stage the links carry it', async () => {
  const answer = await fetch(`${service.url}/`, { headers: { accept: 'text/html' } });
  const text = await answer.text();
  const stage = createServer(async (incoming, response) => {
    // As encrypt-file does for API Gateway: `tests/http/events.rs` shows that it does.
    if (incoming.url === '/Prod') {
      const { headers } = answer;
      const policy = headers.get('content-security-policy');
      response.writeHead(200, { 'content-type': 'text/html', 'content-security-policy': policy });
      return response.end(text.replaceAll('"./', '"/Prod/'));
    }
    const { pathname, search } = new URL(incoming.url, service.url);
    if (!pathname.startsWith('/Prod/')) return response.writeHead(403).end();
    const own = await fetch(service.url + pathname.slice('/Prod'.length) + search, {
      method: incoming.method, headers: { accept: incoming.headers.accept ?? '*/*', 'x-api-key': incoming.headers['x-api-key'] ?? '' },
    });
    response.writeHead(own.status, { 'content-type': own.headers.get('content-type') });
    response.end(Buffer.from(await own.arrayBuffer()));
  });
  await new Promise((listens) => stage.listen(0, '127.0.0.1', listens));
  try {
    const page = await newPage(browser);
    const url = `http://localhost:${stage.address().port}`;
    const foreign = [];
    page.on('response', (response) => response.status() === 403 && foreign.push(response.url()));
    await page.goto(`${url}/Prod`, { waitUntil: 'networkidle' });
    assert.equal(page.url(), `${url}/Prod/`);
    await page.getByRole('tab', { name: 'Values' }).click();
    assert.match(await page.locator('#snippet').textContent(), new RegExp(`'${url}/Prod/encrypt'`));
    assert.deepEqual([foreign, page.errors], [[], []]);
  } finally {
    stage.close();
  }
});

test('a browser that knows the page transfers files after the storage has moved', async () => {
  const own = await Service.start();
  try {
    const page = await open(browser, own);
    await page.locator('#upload-files').setInputFiles({ name: 'moved.txt', mimeType: '', buffer: Buffer.from('text') });
    const download = page.getByRole('button', { name: 'Download moved.txt' });
    await download.waitFor();
    await page.evaluate(() => navigator.serviceWorker.ready);
    await own.kill();
    await own.run(`--port=${new URL(own.url).port}`, '--s3-port=0', '--kms-port=0');
    await enter(page, own);
    await download.click();
    await page.getByText('Verified in full').waitFor();
    assert.deepEqual([page.violations, page.errors], [[], []]);
  } finally {
    await own.stop();
  }
});
