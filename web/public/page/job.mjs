// One file on its way, as the page shows it.

import { button, make } from './dom.mjs';
import { percent } from './format.mjs';

export class Job {
  /** `bars` names what is measured, such as `{ sealed: 'Encrypted' }`. */
  constructor(list, name, bars) {
    this.state = make('p', { className: 'state' });
    this.controls = make('div', { className: 'row' });
    this.bars = Object.entries(bars).map(([measure, label]) => {
      const bar = make('progress', { max: 100, value: 0, 'aria-label': `${label}: ${name}` });
      const figure = make('span', { textContent: '0 %' });
      return { measure, bar, figure, row: make('div', { className: 'bar' }, make('span', { textContent: label }), bar, figure) };
    });
    this.element = make('li', { className: 'job' }, make('p', { className: 'name', textContent: name }),
      ...this.bars.map(({ row }) => row), this.state, this.controls);
    list.append(this.element);
  }

  /** Shows progress, of `{sealed, sent, total}`. */
  progress(measured) {
    for (const { measure, bar, figure } of this.bars) {
      const value = percent(measured[measure] ?? 0, measured.total);
      bar.value = value;
      figure.textContent = `${value} %`;
    }
  }

  /** Says where it stands: `kind` is '', `failed` or `done`. Buttons are `[text, action]`. */
  say(kind, text, ...buttons) {
    // A screen reader says what went wrong or is complete, and not each step.
    if (kind) this.state.setAttribute('role', kind === 'failed' ? 'alert' : 'status');
    else this.state.removeAttribute('role');
    this.element.className = `job ${kind}`;
    this.state.textContent = text;
    for (const { row } of this.bars) row.hidden = kind === 'done';
    const hadFocus = this.controls.contains(document.activeElement);
    this.controls.replaceChildren(...buttons.map(([label, action]) => button(label, action)));
    this.controls.hidden = buttons.length === 0;
    if (hadFocus) this.controls.querySelector('button')?.focus();
  }

  remove() {
    this.element.remove();
  }
}
