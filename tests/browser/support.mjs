// A started service, and Chromium with a page that counts what must not happen.

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const require = createRequire(`${process.env.CAAS_CI_CACHE}/npm/`);
const { chromium } = require('playwright-core');
const AXE = require.resolve('axe-core/axe.min.js');
const CAAS_LOCAL = join(process.env.CAAS_BUILT, 'caas-local');

/** `caas-local` on free ports, with its data in a temporary folder. */
export class Service {
  static async start(...options) {
    const service = new Service();
    service.folder = mkdtempSync(join(tmpdir(), 'caas-browser-'));
    service.options = options;
    await service.run('--port=0', '--s3-port=0', '--kms-port=0');
    return service;
  }

  async run(...options) {
    const data = join(this.folder, '.caas');
    this.log = '';
    this.child = spawn(CAAS_LOCAL, ['--data-dir', data, ...options, ...this.options], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stderr.on('data', (text) => (this.log += text));
    let welcome = '';
    for await (const text of this.child.stdout) {
      welcome += text;
      if (welcome.includes('/openapi.json\n')) break;
    }
    /** The link with the one-time code. */
    this.link = /http:\/\/\S+#code=\S+/.exec(welcome)?.[0];
    const lines = readFileSync(join(data, 'env'), 'utf8').matchAll(/^export (\w+)='(.*)'$/gm);
    this.env = Object.fromEntries(Array.from(lines, ([, name, value]) => [name, value]));
    this.url = this.env.CAAS_URL;
    this.key = this.env.CAAS_API_KEY;
  }

  /** Ends the service at once, without finishing requests. */
  async kill() {
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await ended;
  }

  /** Starts it again, on the same ports and with the same data. */
  async restart() {
    const port = (name) => new URL(this.env[name]).port;
    await this.run(
      `--port=${port('CAAS_URL')}`,
      `--s3-port=${port('AWS_ENDPOINT_URL_S3')}`,
      `--kms-port=${port('AWS_ENDPOINT_URL_KMS')}`,
    );
  }

  async stop() {
    if (this.child.exitCode === null && this.child.signalCode === null) await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** A request with the API key. */
  api(path, options = {}) {
    return fetch(this.url + path, { ...options, headers: { 'x-api-key': this.key, ...options.headers } });
  }

  /** The `caas` command, with this service's variables. */
  caas(args, options = {}) {
    return execFileSync(join(process.env.CAAS_BUILT, 'caas'), args, {
      cwd: this.folder,
      encoding: 'utf8',
      ...options,
      env: { ...process.env, ...this.env, HOME: this.folder, ...options.env },
    });
  }
}

/** Chromium, which cannot make its sandbox as root. */
const started = (options) => ({
  executablePath: process.env.CAAS_CHROMIUM ?? '/usr/bin/chromium',
  ...options,
  args: [...(options.args ?? []), ...(process.getuid() === 0 ? ['--no-sandbox'] : [])],
});

export const launch = (options = {}) => chromium.launch(started(options));

/** A context whose storage is on the disk. */
export const launchOnDisk = (folder) => chromium.launchPersistentContext(folder, started({ acceptDownloads: true }));

/**
 * A page in its own context. `page.violations` has every violation of the content security policy, also of workers,
 * and `page.errors` every uncaught error.
 */
export async function newPage(browser, options = {}) {
  const context = await browser.newContext({ acceptDownloads: true, ...options });
  const page = await context.newPage();
  page.violations = [];
  page.errors = [];
  page.console = [];
  await page.exposeFunction('caasViolation', (text) => page.violations.push(text));
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sourceFile, lineNumber }) => {
      window.caasViolation(`${violatedDirective}: ${blockedURI} at ${sourceFile}:${lineNumber}`);
    });
  });
  page.on('pageerror', (error) => page.errors.push(error.stack ?? String(error)));
  page.on('console', (message) => {
    page.console.push(message.text());
    if (/Content Security Policy|Trusted ?Type|TrustedScript/i.test(message.text())) page.violations.push(message.text());
  });
  return page;
}

/** What axe-core finds that is serious or critical, as sentences. */
export async function seriousFindings(page) {
  // The page's policy forbids it to run a string as a script, so this goes through the debugger.
  const session = await page.context().newCDPSession(page);
  await session.send('Page.setBypassCSP', { enabled: true });
  await page.evaluate(readFileSync(AXE, 'utf8'));
  const { violations } = await page.evaluate(() => window.axe.run(document));
  await session.send('Page.setBypassCSP', { enabled: false });
  await session.detach();
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  return serious.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(' ')}`);
}

/** The page with the API key, at the vault. */
export async function open(browser, service, { key, ...options } = {}) {
  const page = await newPage(browser, options);
  await enter(page, service, key);
  return page;
}

/** Loads the page, and enters the API key at the vault. */
export async function enter(page, service, key = service.key) {
  await page.goto(service.url);
  await page.getByRole('tab', { name: 'Vault' }).click();
  await page.getByRole('textbox', { name: 'API key' }).fill(key);
  await page.getByRole('button', { name: 'Use this key' }).click();
  await page.locator('#key-held').waitFor();
}
