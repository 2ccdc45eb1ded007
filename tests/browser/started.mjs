// One service and one Chromium for all tests of the file that imports this.

import { after, before } from 'node:test';

import { Service, launch } from './support.mjs';

export let service, browser;

before(async () => {
  [service, browser] = await Promise.all([Service.start(), launch()]);
});

after(async () => {
  await browser?.close();
  await service?.stop();
});
