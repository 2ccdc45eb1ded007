// The tab that encrypts and decrypts session files. Nothing here sends anything.

import { MAX_FILE_BYTES } from './api.mjs';
import { ask, button, byId, copy, make, onFiles, save } from './dom.mjs';
import { explain } from './failure.mjs';
import { bytes } from './format.mjs';
import { Job } from './job.mjs';

/** What a session file is longer than its content: nonce and tag. */
const OVERHEAD = 28;

/** As a key file or the field has it: 32 bytes in base64url. */
const KEY = /^[A-Za-z0-9_-]{43}$/;

/** Jobs run one after another: one uses all of the worker. */
let queue = Promise.resolve();
/** Keys that were neither copied nor saved. */
const unsaved = new Set();
let sealedFile;

export function startSession() {
  onFiles(document.querySelector('[data-drop=seal-file]'), (files) => files.forEach(seal));
  onFiles(document.querySelector('[data-drop=open-file]'), choose);
  byId('open-form').addEventListener('submit', (event) => {
    event.preventDefault();
    open();
  });
  addEventListener('beforeunload', (event) => {
    if (unsaved.size > 0) event.preventDefault();
  });
  // What an earlier visit left: nobody can have asked to keep it.
  import('../caas.mjs').then(({ wipe }) => wipe()).catch(() => {});
}

function seal(file) {
  const name = `${file.name}.enc`;
  const job = new Job(byId('sealed'), file.name, { sealed: 'Encrypted' });
  const begin = () => run(job, async ({ sealFile, privateFile }, options) => {
    if (file.size > MAX_FILE_BYTES) return job.say('failed', 'The file is longer than 64 GiB. Split it.');
    const sink = await privateFile(name, { size: file.size + OVERHEAD });
    const { key } = await sealFile(file, sink, options);
    present(job, name, await sink.finish(), key, sink);
  }, begin);
  begin();
}

/** Shows the key, once, and lets the browser save both. */
function present(job, name, file, key, sink) {
  unsaved.add(key);
  const kept = () => unsaved.delete(key);
  const copyKey = button('Copy the key', () => copy(key, copyKey).then((copied) => copied && kept()), { className: 'primary' });
  const saveKey = button('Save the key', () => {
    save(new Blob([`${key}\n`], { type: 'text/plain' }), `${name}.key`);
    kept();
  });
  const remove = async () => {
    const question = 'The key was neither copied nor saved. Without it nobody can decrypt the file. Remove both?';
    if (unsaved.has(key) && !(await ask(question, 'Remove both'))) return;
    kept();
    job.remove();
    sink.discard();
  };
  job.say('done', `Encrypted: ${bytes(file.size)}.`, ['Save the encrypted file', () => save(file, name)],
    ['Remove', remove]);
  job.element.append(make('div', { className: 'secret' },
    make('p', { textContent: 'The only key that decrypts it. It is shown once: keep it apart from the file.' }),
    make('output', { textContent: key, 'aria-label': 'Key' }),
    make('div', { className: 'row' }, copyKey, saveKey)));
}

async function choose(files) {
  const problem = byId('open-problem');
  problem.textContent = '';
  for (const file of files) {
    if (file.size <= 100 && file.name.endsWith('.key')) {
      byId('open-key').value = (await file.text()).trim();
    } else {
      sealedFile = file;
      byId('open-name').replaceChildren(make('strong', { textContent: `${file.name}, ${bytes(file.size)}` }));
    }
  }
}

function open() {
  const problem = byId('open-problem');
  const field = byId('open-key');
  const [file, key] = [sealedFile, field.value.trim()];
  const fault = faultOf(file, key);
  problem.textContent = fault ?? '';
  field.setAttribute('aria-invalid', Boolean(fault) && file !== undefined);
  if (fault) return;
  const name = file.name.replace(/\.(enc|caas)$/, '') || 'file';
  const job = new Job(byId('opened'), file.name, { sealed: 'Decrypted' });
  const begin = () => run(job, async ({ openFile, privateFile }, options) => {
    const sink = await privateFile(name, { size: file.size - OVERHEAD });
    await openFile(file, key, sink, options);
    const opened = await sink.finish();
    save(opened, name);
    job.say('done', `Verified in full and decrypted: ${bytes(opened.size)}.`,
      ['Save it again', () => save(opened, name)], ['Remove', () => {
        job.remove();
        sink.discard();
      }]);
  }, begin);
  begin();
}

function faultOf(file, key) {
  if (file === undefined) return 'Drop or choose the encrypted file first.';
  if (file.size < OVERHEAD) return 'This is not an encrypted file: it is shorter than 28 bytes.';
  if (file.size > MAX_FILE_BYTES + OVERHEAD) return 'This is not an encrypted file: it is longer than 64 GiB.';
  if (!KEY.test(key)) return 'The key has 43 characters: letters, digits, - and _. Copy all of it.';
  return undefined;
}

function run(job, work, again) {
  const controller = new AbortController();
  const cancel = ['Cancel', () => controller.abort('cancel')];
  job.say('', 'Waiting for the file before it.', cancel);
  queue = queue.then(async () => {
    try {
      controller.signal.throwIfAborted();
      job.say('', '', cancel);
      const onProgress = (measured) => job.progress(measured);
      await work(await import('../caas.mjs'), { onProgress, signal: controller.signal });
    } catch (error) {
      if (controller.signal.aborted) job.remove();
      else job.say('failed', explain(error), ['Try again', again], ['Remove', () => job.remove()]);
    }
  });
}
