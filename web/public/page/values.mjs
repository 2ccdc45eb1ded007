// The tab for users' values, and the same request as code.

import { base, call, limits } from './api.mjs';
import { byId, copy } from './dom.mjs';
import { bytes } from './format.mjs';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** How long a JSON body may be; a deployment may allow less. */
let maxBodyBytes = 1_000_000;

const LABELS = { encrypt: 'Encrypt', verify: 'Verify', decrypt: 'Decrypt' };

let hasKey = false;
let language = 'curl';

export function startValues() {
  const form = byId('values-form');
  byId('user').value = crypto.randomUUID();
  byId('new-user').addEventListener('click', () => {
    byId('user').value = crypto.randomUUID();
    update();
  });
  form.addEventListener('input', update);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    submit();
  });
  byId('values-copy').addEventListener('click', ({ target }) => copy(byId('values-output').textContent, target));
  byId('snippet-copy').addEventListener('click', ({ target }) => copy(byId('snippet').textContent, target));
  byId('languages').addEventListener('click', ({ target }) => {
    if (!target.dataset.language) return;
    language = target.dataset.language;
    for (const choice of byId('languages').children) choice.setAttribute('aria-pressed', choice === target);
    update();
  });
  update();
}

export function valuesKey(allows) {
  hasKey = allows !== undefined;
  if (hasKey) {
    limits().then(({ max_body_bytes }) => (maxBodyBytes = Math.min(maxBodyBytes, max_body_bytes))).catch(() => {});
  }
  byId('values-result').hidden = true;
}

const chosen = (name) => byId('values-form').elements[name].value;

/** The route and the body, as the form has them. */
function request() {
  const action = chosen('action');
  const reversible = action === 'decrypt' || action === 'verify' || chosen('cipher') !== '';
  const body = { userUUID: byId('user').value.trim() };
  if (action !== 'decrypt') body.sensitiveData = byId('datum').value;
  if (action !== 'encrypt') body.encryptedData = byId('encrypted').value.trim();
  if (action === 'encrypt' && chosen('cipher')) body.cipher = chosen('cipher');
  if (reversible && byId('context').value) body.context = byId('context').value;
  return { action, body };
}

function update() {
  const { action, body } = request();
  for (const part of byId('values-form').querySelectorAll('[data-for]')) {
    const digest = action === 'encrypt' && chosen('cipher') === '';
    part.hidden = !part.dataset.for.split(' ').includes(action) || ('reversible' in part.dataset && digest);
  }
  byId('values-submit').textContent = LABELS[action];
  byId('snippet').textContent = SNIPPETS[language](new URL(action, base).href, JSON.stringify(body, null, 2));
}

async function submit() {
  const { action, body } = request();
  const problem = byId('values-problem');
  byId('values-result').hidden = true;
  problem.textContent = fault(action, body) ?? '';
  if (problem.textContent) return;
  const pressed = byId('values-submit');
  pressed.disabled = true;
  try {
    present(action, await call('POST', action, body));
  } catch (failure) {
    problem.textContent = failure.message;
  }
  pressed.disabled = false;
}

function fault(action, body) {
  if (!hasKey) return 'Enter the API key above first.';
  if (!UUID.test(body.userUUID)) return 'The user must be a UUID: 32 hexadecimal digits in groups of 8-4-4-4-12.';
  if (body.encryptedData === '') return 'Enter the encrypted value or digest.';
  const length = new TextEncoder().encode(JSON.stringify(body)).length;
  if (length > maxBodyBytes) return `Together this is more than ${bytes(maxBodyBytes)}. Store it as a file in the vault.`;
  return undefined;
}

function present(action, response) {
  const [title, text] = {
    encrypt: () => ['Put this into your database:', response.encrypted_data],
    decrypt: () => ['The value:', response.sensitive_data],
    verify: () => ['', response.valid
      ? 'Yes: it was made from this value.' : 'No: it was not made from this value.'],
  }[action]();
  byId('values-title').textContent = title;
  byId('values-title').hidden = title === '';
  byId('values-output').textContent = text;
  byId('values-copy').hidden = action === 'verify';
  byId('values-result').hidden = false;
  if (action === 'encrypt') byId('encrypted').value = text;
}

/** The API key is a variable in each: nobody shall copy it into a file by accident. */
const SNIPPETS = {
  curl: (url, body) => `curl -sS ${quoted(url)} \\\n  -H "x-api-key: $CAAS_API_KEY" -H 'content-type: application/json' \\\n  -d ${quoted(body)}`,
  python: (url, body) => `import json, os, urllib.request

body = ${body}
headers = {"x-api-key": os.environ["CAAS_API_KEY"], "content-type": "application/json"}
request = urllib.request.Request(${JSON.stringify(url)}, json.dumps(body).encode(), headers)
print(json.load(urllib.request.urlopen(request)))`,
  javascript: (url, body) => `const response = await fetch(${JSON.stringify(url)}, {
  method: 'POST',
  headers: { 'x-api-key': process.env.CAAS_API_KEY, 'content-type': 'application/json' },
  body: JSON.stringify(${body.replaceAll('\n', '\n  ')}),
});
console.log(await response.json());`,
};

/** For a shell: in single quotes. */
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
