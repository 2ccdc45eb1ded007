// The tab for users' values.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';

import { browser, service } from './started.mjs';
import { newPage, open } from './support.mjs';

const submit = (page) => page.locator('#values-submit').click();
const output = (page) => page.locator('#values-output');

async function openValues(options) {
  const page = await open(browser, service, options);
  await page.getByRole('tab', { name: 'Values' }).click();
  return page;
}

test('a value goes in, is verified and comes out', async () => {
  const page = await openValues();
  await page.getByLabel('Value', { exact: true }).fill('Größe "78" </b>');
  await page.getByLabel('Context').fill('email');
  await submit(page);
  await output(page).filter({ hasText: 'caas:v2:' }).waitFor();

  await page.getByRole('radio', { name: 'Verify' }).check();
  await submit(page);
  await output(page).filter({ hasText: 'Yes' }).waitFor();
  await page.getByLabel('Value', { exact: true }).fill('other');
  await submit(page);
  await output(page).filter({ hasText: 'No: it was not made from this value.' }).waitFor();

  await page.getByRole('radio', { name: 'Decrypt', exact: true }).check();
  await submit(page);
  await output(page).filter({ hasText: 'Größe "78" </b>' }).waitFor();

  await page.getByLabel('Context').fill('address');
  await submit(page);
  await page.locator('#values-problem', { hasText: 'belongs to another key or user' }).waitFor();
  assert.deepEqual([page.violations, page.errors], [[], []]);
});

test('a digest is the same each time, and cannot be decrypted', async () => {
  const page = await openValues();
  await page.getByLabel('Value', { exact: true }).fill('078-05-1120');
  await page.getByLabel('A digest').check();
  assert.ok(await page.getByLabel('Context').isHidden());
  const digests = [];
  for (let time = 0; time < 2; time += 1) {
    await submit(page);
    await output(page).waitFor();
    digests.push(await output(page).textContent());
  }
  assert.match(digests[0], /^[0-9a-f]{16,}$/);
  assert.equal(digests[0], digests[1]);
  await page.getByRole('radio', { name: 'Decrypt', exact: true }).check();
  await submit(page);
  await page.locator('#values-problem', { hasText: /\w/ }).waitFor();
});

test('what cannot work says so before anything is sent', async () => {
  const page = await openValues();
  const sent = [];
  page.on('request', (request) => sent.push(request.url()));
  await page.getByLabel('User').fill('nobody');
  await submit(page);
  await page.locator('#values-problem', { hasText: 'must be a UUID' }).waitFor();
  await page.getByRole('button', { name: 'New' }).click();
  await page.getByLabel('Value', { exact: true }).fill('x'.repeat(1_000_001));
  await submit(page);
  await page.locator('#values-problem', { hasText: 'more than 1.0 MB' }).waitFor();
  assert.deepEqual(sent, []);

  const without = await newPage(browser);
  await without.goto(service.url);
  await without.getByRole('tab', { name: 'Values' }).click();
  await submit(without);
  await without.locator('#values-problem', { hasText: 'Enter the API key' }).waitFor();
});

test('the request as code does what the button does, and names no key', async () => {
  const page = await openValues();
  await page.getByLabel('Value', { exact: true }).fill(`it's "quoted" \\ and Größe`);
  await page.getByLabel('A digest').check();
  await submit(page);
  await output(page).waitFor();
  const digest = await output(page).textContent();
  const run = {
    curl: (code) => execFileSync('bash', ['-c', code], { env: { ...process.env, ...service.env } }),
    Python: (code) => execFileSync('python3', ['-c', code], { env: { ...process.env, ...service.env } }),
    JavaScript: (code) => execFileSync('node', ['--input-type=module', '--eval', code], { env: { ...process.env, ...service.env } }),
  };
  for (const [language, program] of Object.entries(run)) {
    await page.getByRole('button', { name: language }).click();
    const code = await page.locator('#snippet').textContent();
    assert.ok(!code.includes(service.key), language);
    assert.match(String(program(code)), new RegExp(digest), language);
  }
});
