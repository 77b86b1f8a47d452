/* What is in a text: addresses of the web, and all else. No page is needed for that. */

const ADDRESS = /\bhttps?:\/\/[^\s<>"'`\u0000-\u001f\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gi;
const BEHIND = new Set(".,;:!?…)]}*_~");

/** A text cut into strings and `{href, text}`: pure. */
export function partsOf(text) {
  const parts = [];
  let at = 0;
  for (const { 0: found, index } of text.matchAll(ADDRESS)) {
    const address = withoutEnd(found);
    const href = hrefOf(address);
    if (!href) continue;
    if (index > at) parts.push(text.slice(at, index));
    parts.push({ href, text: address });
    at = index + address.length;
  }
  if (at < text.length) parts.push(text.slice(at));
  return parts;
}

/* A full stop or a bracket behind an address belongs to the sentence, unless the address has opened the bracket. */
function withoutEnd(found) {
  let end = found.length;
  while (end && BEHIND.has(found[end - 1])) end -= 1;
  return found.slice(0, found[end] === ")" && found.slice(0, end).includes("(") ? end + 1 : end);
}

/* Not where a name stands before the host: "https://bank.example@elsewhere.example" seems to lead where it does not. */
function hrefOf(address) {
  try {
    const url = new URL(address);
    const isOfWeb = url.protocol === "http:" || url.protocol === "https:";
    return isOfWeb && url.hostname && !url.username && !url.password ? url.href : null;
  } catch {
    return null;
  }
}

/** The first characters of a text; none is cut in two. */
export function cutAt(text, length) {
  if (text.length <= length) return text;
  const isHalf = /[\ud800-\udbff]/.test(text[length - 1]);
  return text.slice(0, isHalf ? length - 1 : length);
}
