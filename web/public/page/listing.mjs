// The files in the vault: by folder, or by name.

import { call } from './api.mjs';
import { announce, ask, button, byId, make } from './dom.mjs';
import { bytes, time } from './format.mjs';

/** Files in one request, and how many requests are sent before somebody asks for more. */
const PAGE = 1000;
const PAGES = 5;

/** Entries shown at once: more than anyone reads, fewer than slow a browser down. */
const SHOWN = 500;

/** What the service puts before the name of an upload. */
const UPLOAD = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\/(?=[^/]*$)/;

let entries = [];
let cursor;
let folder = [];
let fetchFile;
/** Counts refreshes, so that an older response does not overwrite a newer one. */
let generation = 0;

export function startListing(onDownload) {
  fetchFile = onDownload;
  byId('search').addEventListener('input', show);
  byId('refresh').addEventListener('click', refresh);
  byId('more').addEventListener('click', more);
}

/** Forgets the files of another key. */
export function clear() {
  generation += 1;
  [entries, cursor, folder] = [[], undefined, []];
  byId('search').value = '';
  byId('files').replaceChildren();
  byId('crumbs').replaceChildren();
}

export async function refresh() {
  generation += 1;
  await read([], undefined);
}

async function more() {
  await read(entries, cursor);
}

async function read(known, from) {
  const own = generation;
  const state = byId('files-state');
  state.className = 'small';
  state.textContent = 'Reading the list…';
  const found = [...known];
  let after = from;
  try {
    for (let page = 0; page < PAGES && after !== null; page += 1) {
      const query = new URLSearchParams({ limit: PAGE, ...(after && { cursor: after }) });
      const { files, next_cursor } = await call('GET', `api/files?${query}`);
      if (own !== generation) return;
      found.push(...files.map(placed));
      after = next_cursor;
    }
    [entries, cursor] = [found, after];
    show();
  } catch (failure) {
    if (own !== generation) return;
    state.className = 'problem';
    state.textContent = failure.message;
  }
}

/** An entry with the folders it is in. An upload is in none: the service makes its path. */
function placed(file) {
  const folders = file.path.replace(UPLOAD, '').split('/').slice(0, -1);
  return { ...file, folders };
}

function show() {
  const wanted = byId('search').value.trim().toLowerCase();
  const depth = folder.length;
  const here = entries.filter(({ folders }) => folder.every((name, level) => folders[level] === name));
  let [folders, files] = [[], []];
  if (wanted) {
    files = here.filter(({ path, name }) => `${path.replace(UPLOAD, '')} ${name}`.toLowerCase().includes(wanted));
  } else {
    files = here.filter((entry) => entry.folders.length === depth);
    folders = [...new Set(here.filter((entry) => entry.folders.length > depth).map((entry) => entry.folders[depth]))];
  }
  files.sort((a, b) => b.created_at.localeCompare(a.created_at) || a.name.localeCompare(b.name));
  showCrumbs();
  byId('files').replaceChildren(
    ...folders.sort().map((name) => make('li', {}, button(`${name}/`, () => enter([...folder, name]), {
      className: 'folder', 'aria-label': `Open folder ${name}`,
    }))),
    ...files.slice(0, SHOWN).map((file) => row(file, wanted)),
  );
  byId('more').hidden = !cursor;
  const state = byId('files-state');
  state.className = 'small';
  state.textContent = summary(files.length, folders.length, wanted);
}

function summary(files, folders, wanted) {
  if (entries.length === 0) return 'No files yet. What you store, or drop in the inbox, is listed here.';
  const found = `${files} ${files === 1 ? 'file' : 'files'}`;
  const hidden = files > SHOWN ? ` The ${SHOWN} newest are shown; search for the others.` : '';
  const partly = cursor ? ' There are more: load them.' : '';
  return (wanted ? `${found} found.` : `${found}${folders ? `, ${folders} folders` : ''}.`) + hidden + partly;
}

function showCrumbs() {
  const steps = folder.map((name, level) => button(name, () => enter(folder.slice(0, level + 1))));
  const crumbs = folder.length === 0 ? [] : [button('All files', () => enter([])), ...steps];
  crumbs.at(-1)?.setAttribute('aria-current', 'true');
  byId('crumbs').replaceChildren(...crumbs.flatMap((crumb, index) => (index ? [make('span', {
    textContent: '/', 'aria-hidden': 'true',
  }), crumb] : [crumb])));
}

function enter(names) {
  folder = names;
  show();
  (byId('crumbs').querySelector('button:last-of-type') ?? byId('search')).focus();
}

function row(file, wanted) {
  const place = wanted && file.folders.length ? `${file.folders.join('/')}/` : '';
  return make('li', {},
    make('span', { className: 'name', textContent: place + file.name }),
    make('span', { className: 'small', textContent: bytes(file.size) }),
    make('span', { className: 'small', textContent: time(file.created_at) }),
    make('span', { className: 'row' },
      button('Download', () => fetchFile(file), { 'aria-label': `Download ${file.name}` }),
      button('Delete', () => remove(file, false), { 'aria-label': `Delete ${file.name}` }),
      button('Purge', () => remove(file, true), { 'aria-label': `Purge ${file.name}` })));
}

async function remove(file, purge) {
  const question = purge
    ? `Remove “${file.name}” permanently, with all its versions? Nobody can bring it back.`
    : `Delete “${file.name}”? The operator can recover it for a while, 30 days by default.`;
  if (!(await ask(question, purge ? 'Remove permanently' : 'Delete'))) return;
  try {
    await call('DELETE', `api/files/${encodeURIComponent(file.id)}${purge ? '?purge=true' : ''}`);
    announce(`${file.name} is deleted.`);
    byId('search').focus();
    await refresh();
  } catch (failure) {
    const state = byId('files-state');
    state.className = 'problem';
    state.textContent = failure.message;
  }
}
