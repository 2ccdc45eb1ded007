// Starts the page: tabs, what the browser lacks, the one-time code, and the files for when there is no connection.

import { byId } from './dom.mjs';
import { base } from './api.mjs';
import { startKey, redeem } from './key.mjs';
import { startSession } from './session.mjs';
import { startValues } from './values.mjs';
import { startVault } from './vault.mjs';

const TABS = ['session', 'vault', 'values'];
const NEED_KEY = ['vault', 'values'];

function show(tab) {
  for (const name of TABS) {
    const selected = name === tab;
    const control = byId(`tab-${name}`);
    control.setAttribute('aria-selected', selected);
    control.tabIndex = selected ? 0 : -1;
    byId(name).hidden = !selected;
  }
  // The key belongs between the title of the tab and what it opens.
  byId('key-bar').hidden = !NEED_KEY.includes(tab);
  if (NEED_KEY.includes(tab)) byId(tab).querySelector('.intro').after(byId('key-bar'));
  document.title = `CaaS: ${byId(`tab-${tab}`).textContent.toLowerCase()}`;
}

function startTabs() {
  for (const [index, name] of TABS.entries()) {
    const control = byId(`tab-${name}`);
    control.addEventListener('click', () => show(name));
    control.addEventListener('keydown', ({ key }) => {
      const steps = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: TABS.length - 1 };
      if (!(key in steps)) return;
      const next = TABS.at(steps[key] % TABS.length);
      show(next);
      byId(`tab-${next}`).focus();
    });
  }
}

/** Why this page cannot work here, if it cannot. */
function obstacle() {
  if (!isSecureContext) {
    return 'This page was loaded over plain HTTP from another machine. Browsers encrypt only on pages of https:// or of ' +
      'localhost: open it there, put TLS in front of the service, or use the caas command.';
  }
  const lacks = !globalThis.WebAssembly || !globalThis.crypto?.subtle || !navigator.storage?.getDirectory;
  return lacks && 'This browser lacks WebAssembly, WebCrypto or private file storage. Use a current version of Chrome, ' +
    'Edge, Firefox or Safari, outside of a private window, or use the caas command.';
}

function watchConnection() {
  const update = () => (byId('offline').hidden = navigator.onLine);
  addEventListener('online', update);
  addEventListener('offline', update);
  update();
}

async function keepForOffline() {
  if (!navigator.serviceWorker) return;
  const url = new URL('service-worker.js', base).href;
  const policy = globalThis.trustedTypes?.createPolicy('caas-page', { createScriptURL: () => url });
  await navigator.serviceWorker.register(policy ? policy.createScriptURL('') : url, { scope: base.pathname });
}

async function takeCode() {
  const code = /^#code=([0-9a-f]{32})$/.exec(location.hash)?.[1];
  // Also puts the slash behind a stage, without which the page would not work offline.
  if (code !== undefined || (location.hash === '' && location.pathname !== base.pathname)) {
    history.replaceState(null, '', base.pathname);
  }
  if (code === undefined) return;
  show('vault');
  await redeem(code);
}

startTabs();
byId('openapi').href = new URL('openapi.json', base).href;
const reason = obstacle();
if (reason) {
  byId('unsupported').textContent = reason;
  byId('unsupported').hidden = false;
  for (const control of document.querySelectorAll('main input, main button, main textarea')) control.disabled = true;
} else {
  watchConnection();
  startKey();
  startSession();
  startVault();
  startValues();
  takeCode();
  // The link can also be opened in a tab that has the page already.
  addEventListener('hashchange', takeCode);
  // After the first paint, so that it takes no bandwidth from it.
  const keep = () => keepForOffline().catch(() => {});
  if (document.readyState === 'complete') keep();
  else addEventListener('load', keep, { once: true });
}
document.documentElement.dataset.ready = 'true';
