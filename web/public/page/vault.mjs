// The vault's tab: what the key allows, uploads, what a reload interrupted, and the list.

import { byId, button, make, onFiles } from './dom.mjs';
import { explain } from './failure.mjs';
import { bytes, time } from './format.mjs';
import { onKey } from './key.mjs';
import { clear, refresh, startListing } from './listing.mjs';
import { Download, Upload, giveUp, journalOfKey, ongoing } from './transfer.mjs';
import { valuesKey } from './values.mjs';

/** A dropped file is sealed some seconds after it was sent. */
const SEALING_MILLISECONDS = 3000;

let reads = false;

export function startVault() {
  onFiles(document.querySelector('[data-drop=upload-files]'), store);
  startListing((file) => new Download(file).enqueue());
  byId('clear-done').addEventListener('click', () => {
    for (const job of byId('transfers').querySelectorAll('.done')) job.remove();
  });
  onKey((allows) => {
    valuesKey(allows);
    clear();
    byId('unfinished').replaceChildren();
    reads = allows?.read ?? false;
    byId('vault-open').hidden = !allows;
    byId('upload').hidden = !allows?.write;
    byId('listing').hidden = !reads;
    if (reads) refresh();
    if (allows?.write) showUnfinished().catch(() => {});
  });
  addEventListener('beforeunload', (event) => {
    if (byId('transfers').querySelector('.job:not(.done, .failed)')) event.preventDefault();
  });
}

function store(files) {
  const mode = document.querySelector('input[name=mode]:checked').value;
  for (const file of files) start(file, mode);
}

function start(file, mode, record) {
  const done = () => {
    if (reads) refresh();
    if (reads && mode === 'inbox') setTimeout(refresh, SEALING_MILLISECONDS);
  };
  new Upload(file, mode, done, record).enqueue();
}

/** Offers the uploads that an earlier visit began. */
async function showUnfinished() {
  const journal = await journalOfKey();
  const active = await ongoing();
  const records = (await journal.list()).filter(({ id }) => !active.has(id));
  byId('unfinished').replaceChildren(...records.map(unfinished));
}

function unfinished(record) {
  const problem = make('p', { className: 'problem', role: 'alert' });
  const input = make('input', {
    type: 'file', className: 'unseen', 'aria-label': `Choose ${record.name} again`,
    onchange: () => {
      const [file] = input.files;
      input.value = '';
      // What is in it is compared part by part.
      if (['name', 'size', 'lastModified'].some((field) => file[field] !== record[field])) {
        problem.textContent = `This is another file, or it has changed. Choose “${record.name}” of ${record.size} bytes as it was, ` +
          'or discard the upload and begin a new one.';
        return;
      }
      start(file, 'client', record);
      item.remove();
    },
  });
  const discard = button('Discard', async () => {
    try {
      await giveUp(record.id);
      item.remove();
    } catch (error) {
      problem.textContent = explain(error);
    }
  }, { 'aria-label': `Discard the upload of ${record.name}` });
  const item = make('li', { className: 'job' },
    make('p', { className: 'name', textContent: record.name }),
    make('p', { className: 'state', textContent: `${bytes(record.size)}. What was sent is kept until ${time(record.endsAt)}.` }),
    make('div', { className: 'row' }, make('label', { className: 'button' }, 'Choose the file again', input), discard),
    problem);
  return item;
}
