// The API key: entered, or exchanged for the code of the link; kept in memory; and what it allows.

import { call, useKey } from './api.mjs';
import { announce, byId } from './dom.mjs';

const listeners = [];

/** Calls `listener` with what the key allows whenever that changes: `{read, write}`, or undefined without a key. */
export function onKey(listener) {
  listeners.push(listener);
}

export function startKey() {
  byId('key-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const field = byId('key');
    // Copied text often ends in a line feed.
    use(field.value.trim());
  });
  byId('key-forget').addEventListener('click', () => {
    forget();
    announce('The key is forgotten.');
    byId('key').focus();
  });
  forget();
}

/** Exchanges the one-time code of the link for the API key. */
export async function redeem(code) {
  try {
    const { api_key } = await call('POST', 'local/api-key', { code });
    await use(api_key);
  } catch (failure) {
    byId('key-problem').textContent = failure.message;
  }
}

async function use(key) {
  const problem = byId('key-problem');
  problem.textContent = '';
  if (!/^[!-~]+$/.test(key)) {
    problem.textContent = 'Enter the API key that the operator gave you: letters, digits, - and _.';
    byId('key').focus();
    return;
  }
  useKey(key);
  try {
    const [read, write] = await Promise.all([
      allowed('GET', 'api/files?limit=1'),
      // Without a token it can do nothing but say whether the key may store files.
      allowed('POST', 'api/uploads/abort', { upload: '' }),
    ]);
    byId('key').value = '';
    byId('key-form').hidden = true;
    byId('key-held').hidden = false;
    byId('key-allows').textContent = description(read, write);
    announce(byId('key-allows').textContent);
    tell({ read, write });
  } catch (failure) {
    forget();
    problem.textContent = failure.message;
    byId('key').focus();
  }
}

/** Whether the key has the scope of this route. Throws if it is no key, or cannot be checked. */
async function allowed(method, path, body) {
  try {
    await call(method, path, body);
  } catch (failure) {
    if (failure.code === 'missing-scope') return false;
    if (failure.status !== 400 && failure.status !== 404) throw failure;
  }
  return true;
}

function description(read, write) {
  if (read && write) return 'This key stores and reads files.';
  if (write) return 'This key stores files. It cannot list or read them.';
  if (read) return 'This key lists and reads files. It cannot store any.';
  return 'This key has nothing to do with files; values may work.';
}

function forget() {
  useKey(undefined);
  byId('key').value = '';
  byId('key-form').hidden = false;
  byId('key-held').hidden = true;
  tell(undefined);
}

function tell(allows) {
  for (const listener of listeners) listener(allows);
}
