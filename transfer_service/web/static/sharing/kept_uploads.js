/* What is kept in the browser of the uploads by a link, for a reload: `{name, size, fingerprint, url, offset}` each. */

const keyOf = (base) => `uploads of ${base}`;

/** Keep these for the link of this address, and no others. */
export function keep(base, uploads) {
  const known = uploads.map(({ name, size, fingerprint, url, offset }) => ({ name, size, fingerprint, url, offset }));
  try {
    if (known.length) localStorage.setItem(keyOf(base), JSON.stringify(known));
    else localStorage.removeItem(keyOf(base));
  } catch {
    // The browser keeps nothing for this page: then nothing goes on after a reload.
  }
}

/** What was kept. */
export function kept(base) {
  const start = `${new URL(base, window.location.href).href}/`;
  try {
    const known = JSON.parse(localStorage.getItem(keyOf(base))) || [];
    return known.filter((each) => each.name && each.fingerprint && each.url.startsWith(start));
  } catch {
    return [];
  }
}
