// Elements. Text from outside only ever becomes text: nothing here parses markup.

export const byId = (id) => document.getElementById(id);

/** An element with these properties (those with a dash are attributes) and children. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes('-') || name === 'role') element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

export function button(text, onclick, properties = {}) {
  return make('button', { type: 'button', textContent: text, onclick, ...properties });
}

/** Tells a screen reader what changed out of its sight. */
export function announce(text) {
  byId('announcer').textContent = text;
}

/** Asks before something cannot be undone. Resolves to whether it shall be done. */
export function ask(question, yes) {
  const dialog = byId('question');
  byId('question-text').textContent = question;
  byId('question-yes').textContent = yes;
  dialog.returnValue = 'no';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}

/** Puts text into the clipboard, and says so on the button. Resolves to whether it is there. */
export async function copy(text, pressed) {
  const label = pressed.dataset.label ?? pressed.textContent;
  pressed.dataset.label = label;
  try {
    await navigator.clipboard.writeText(text);
    pressed.textContent = 'Copied';
    announce('Copied');
    return true;
  } catch {
    pressed.textContent = 'Not allowed: select it and copy';
    return false;
  } finally {
    setTimeout(() => (pressed.textContent = label), 2500);
  }
}

/** Lets the browser save a file under this name. */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  make('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Calls `take` with the files that are dropped on a zone or chosen in its inputs. */
export function onFiles(zone, take) {
  for (const input of zone.querySelectorAll('input[type=file]')) {
    input.addEventListener('change', () => {
      take(Array.from(input.files));
      input.value = '';
    });
  }
  zone.addEventListener('dragover', (event) => {
    event.preventDefault();
    zone.classList.add('over');
  });
  zone.addEventListener('dragleave', (event) => {
    if (!zone.contains(event.relatedTarget)) zone.classList.remove('over');
  });
  zone.addEventListener('drop', async (event) => {
    event.preventDefault();
    zone.classList.remove('over');
    const problem = byId('drop-problem');
    problem.hidden = true;
    try {
      take(await droppedFiles(event.dataTransfer));
    } catch {
      problem.hidden = false;
    }
  });
}

/** The files that were dropped, those of folders included. */
async function droppedFiles(transfer) {
  const entries = Array.from(transfer.items, (item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (entries.length === 0) return Array.from(transfer.files);
  return (await Promise.all(entries.map(filesOf))).flat();
}

async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const files = [];
  for (;;) {
    // A reader returns some entries at a time, and none at the end.
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return files;
    files.push(...(await Promise.all(some.map(filesOf))).flat());
  }
}
