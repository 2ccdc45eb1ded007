import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Service, launch, newPage } from './support.mjs';

let service, browser;

before(async () => {
  [service, browser] = await Promise.all([Service.start(), launch()]);
});

after(async () => {
  await browser?.close();
  await service?.stop();
});

test('the service is reached', async () => {
  const page = await newPage(browser);
  const response = await page.goto(service.url);
  assert.equal(response.status(), 200);
  assert.deepEqual(page.violations, []);
});
