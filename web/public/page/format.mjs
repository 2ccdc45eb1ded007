// Numbers for people.

const UNITS = ['B', 'kB', 'MB', 'GB'];

/** A length, such as `1.5 MB`. */
export function bytes(length) {
  let unit = 0;
  let value = length;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toPrecision(2)} ${UNITS[unit]}`;
}

const TIME = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

/** A time in the reader's own zone. */
export function time(text) {
  const date = new Date(text);
  return Number.isNaN(date.valueOf()) ? '' : TIME.format(date);
}

export function percent(part, whole) {
  return whole === 0 ? 100 : Math.min(100, Math.floor((100 * part) / whole));
}
