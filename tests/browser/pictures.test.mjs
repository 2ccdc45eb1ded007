// With CAAS_SCREENSHOTS=FOLDER, takes the pictures of the README and the guide.

import { join } from 'node:path';
import { test } from 'node:test';

import { Service, launch, newPage, open } from './support.mjs';

const folder = process.env.CAAS_SCREENSHOTS;

test('pictures', { skip: !folder && 'CAAS_SCREENSHOTS names no folder' }, async () => {
  const service = await Service.start();
  const browser = await launch();
  const view = { viewport: { width: 1120, height: 800 }, locale: 'en-GB', timezoneId: 'Europe/Berlin' };
  const take = (page, name, options = {}) => page.screenshot({ path: join(folder, `${name}.png`), ...options });
  try {
    const page = await newPage(browser, view);
    await page.goto(service.url);
    const report = { name: 'annual-report.pdf', mimeType: '', buffer: Buffer.alloc(2_400_000, 7) };
    await page.locator('#seal-file').setInputFiles(report);
    await page.locator('#sealed .job.done').waitFor();
    await take(page, 'encrypt');

    const vault = await open(browser, service, view);
    for (const [name, length] of [['contract.pdf', 384_000], ['interview.wav', 48_000_000], ['photos.zip', 12_000_000]]) {
      await vault.locator('#upload-files').setInputFiles({ name, mimeType: '', buffer: Buffer.alloc(length, 1) });
      await vault.locator('#files .name', { hasText: name }).waitFor();
    }
    await vault.getByRole('button', { name: 'Clear finished' }).click();
    let parts = 0;
    await vault.route(/partNumber=/, async (route) => {
      parts += 1;
      if (parts > 4) await new Promise(() => {});
      await route.continue().catch(() => {});
    });
    await vault.locator('#upload-files').setInputFiles({ name: 'film.mp4', mimeType: '', buffer: Buffer.alloc(48_000_000, 2) });
    await vault.waitForFunction(() => Number(document.querySelector('#transfers .bar:nth-of-type(2) progress')?.value) > 30);
    await take(vault, 'vault', { fullPage: true });

    const dark = await open(browser, service, { ...view, colorScheme: 'dark' });
    await dark.getByRole('tab', { name: 'Values' }).click();
    await dark.locator('#user').fill('123e4567-e89b-12d3-a456-426614174000');
    await dark.locator('#datum').fill('078-05-1120');
    await dark.locator('#values-submit').click();
    await dark.locator('#values-output').waitFor();
    await take(dark, 'values', { fullPage: true });

    const phone = await open(browser, service, { viewport: { width: 390, height: 844 }, isMobile: true });
    await phone.locator('#files .name').first().waitFor();
    await take(phone, 'phone');
  } finally {
    await browser.close();
    await service.stop();
  }
});
