// The page and the backends that docs/guide/large-files.md shows.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Service, launch, newPage } from './support.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SITE = 'http://127.0.0.1:8000';

/** The first block in this language after a text of the guide. */
function block(after, language) {
  const text = readFileSync(join(ROOT, 'docs/guide/large-files.md'), 'utf8');
  const start = text.indexOf(after);
  assert.notEqual(start, -1, after);
  const [, code] = new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(text.slice(start));
  return code;
}

async function served(url) {
  for (;;) {
    const response = await fetch(url).catch(() => undefined);
    if (response?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test('the page of the guide works with both of its backends', { timeout: 120_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'caas-guide-'));
  const [service, browser] = await Promise.all([Service.start(`--allowed-origins=${SITE}`), launch()]);
  try {
    mkdirSync(join(folder, 'site'));
    for (const name of ['caas.mjs', 'caas', 'wasm']) {
      cpSync(join(ROOT, 'web/public', name), join(folder, 'site', name), { recursive: true });
    }
    writeFileSync(join(folder, 'site/index.html'), block('`site/index.html`', 'html'));
    writeFileSync(join(folder, 'backend.py'), block('`backend.py`', 'python'));
    writeFileSync(join(folder, 'backend.mjs'), block('`backend.mjs`', 'js'));
    const content = randomBytes(20_000_000);
    writeFileSync(join(folder, 'film.mp4'), content);

    for (const [program, file] of [['python3', 'backend.py'], [process.execPath, 'backend.mjs']]) {
      const env = { ...process.env, CAAS_URL: service.url, CAAS_API_KEY: service.key };
      const backend = spawn(program, [file], { cwd: folder, env, stdio: 'ignore' });
      try {
        await served(SITE);
        const page = await newPage(browser);
        await page.goto(SITE);
        await page.setInputFiles('input', join(folder, 'film.mp4'));
        await page.getByText('Stored as').waitFor();
        const [saved] = await Promise.all([page.waitForEvent('download'), page.locator('button').click()]);
        const copy = join(folder, 'copy.mp4');
        await saved.saveAs(copy);
        assert.ok(readFileSync(copy).equals(content), file);
        assert.deepEqual(page.errors, []);
        await page.context().close();
      } finally {
        backend.kill();
        await new Promise((resolve) => backend.once('exit', resolve));
      }
    }
  } finally {
    await browser.close();
    await service.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});
