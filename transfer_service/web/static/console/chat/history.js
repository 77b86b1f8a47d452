/*
 * The part of a conversation that is in memory: a stretch of messages without gaps, the oldest first, of a bounded length.
 * Pure functions: a stretch goes in, another one comes out. The order is always the one that the service's history has.
 */

export const PAGE = 60;
export const MOST = 240;

export const EMPTY = { messages: [], hasOlder: false, isAtEnd: true, isByEvent: false };

/** What a page of the history shows, newest first, that ends where the conversation ends. */
export function fromEnd(page, limit = PAGE) {
  return { messages: page.toReversed(), hasOlder: page.length === limit, isAtEnd: true, isByEvent: false };
}

/** The stretch around a place: `older` is newest first, `newer` oldest first. */
export function around(older, newer, limit = PAGE) {
  return { messages: [...older.toReversed(), ...newer], hasOlder: older.length === limit, isAtEnd: newer.length < limit, isByEvent: false };
}

/** With a page of older ones, newest first. What is too far below is let go. */
export function withOlder(slice, page, limit = PAGE) {
  const known = idsOf(slice);
  const messages = [...page.filter(({ _id }) => !known.has(_id)).reverse(), ...slice.messages];
  const kept = messages.slice(0, MOST);
  return { ...slice, messages: kept, hasOlder: page.length === limit, isAtEnd: slice.isAtEnd && kept.length === messages.length };
}

/** With a page of newer ones, oldest first. What is too far above is let go. */
export function withNewer(slice, page, limit = PAGE) {
  const known = idsOf(slice);
  const messages = [...slice.messages, ...page.filter(({ _id }) => !known.has(_id))];
  return { ...cut(slice, messages), isAtEnd: page.length < limit, isByEvent: false };
}

/** With a message as it is now, where it is known. One that is older than what is known, or was deleted since, changes nothing. */
export function withChange(slice, message) {
  const at = slice.messages.findIndex(({ _id }) => _id === message._id);
  const known = slice.messages[at];
  if (at < 0 || known.is_deleted || (known.edited_at && !(message.edited_at >= known.edited_at))) return slice;
  const messages = slice.messages.with(at, { ...known, ...message });
  return { ...slice, messages };
}

/** Those of some messages that are not in it. */
export function unknownOf(slice, messages) {
  const known = idsOf(slice);
  return messages.filter(({ _id }) => !known.has(_id));
}

/**
 * With a message that an event has told, or null where the event says too little: it may lie before what was fetched
 * meanwhile, and the end has to be fetched anew.
 */
export function withEvent(slice, message) {
  if (!slice.isAtEnd || slice.messages.some(({ _id }) => _id === message._id)) return slice;
  const last = slice.messages.at(-1);
  if (last && message.created_at < last.created_at) return null;
  if (last && !slice.isByEvent && message.created_at === last.created_at) return null;
  return { ...cut(slice, [...slice.messages, message]), isByEvent: true };
}

/**
 * With the newest page of the history, newest first. Where it does not reach down to what is known, a reader who is at
 * the end gets it in place of that, and one who reads above keeps his place: the rest comes as he goes down. `missed`
 * are messages that no event has told: one that would lie above the page ends what is known above it.
 */
export function withEnd(slice, page, { isReadingEnd, missed = [], limit = PAGE }) {
  const tail = page.toReversed();
  const inTail = new Map(tail.map((message, place) => [message._id, place]));
  const at = slice.messages.findIndex(({ _id }) => inTail.has(_id));
  if (at < 0) {
    if (slice.messages.length && !isReadingEnd) return { ...slice, isAtEnd: false };
    return fromEnd(page, limit);
  }
  if (!slice.isAtEnd) return { ...slice, messages: slice.messages.map((each) => merged(each, tail[inTail.get(each._id)])) };
  const known = new Map(slice.messages.map((each) => [each._id, each]));
  if (missed.some(({ _id, created_at: made }) => !inTail.has(_id) && made >= slice.messages[0].created_at)) return fromEnd(page, limit);
  const fresh = tail.slice(inTail.get(slice.messages[at]._id)).map((each) => merged(known.get(each._id), each));
  return { ...cut(slice, [...slice.messages.slice(0, at), ...fresh]), isByEvent: false };
}

/** With the marks of who has read what: whatever is older than an own message that all have read, all have read. */
export function withReads(slice, me) {
  const last = slice.messages.findLastIndex((each) => each.sender === me && each.is_read);
  if (!slice.messages.some((each, place) => place < last && each.sender === me && !each.is_read)) return slice;
  const messages = slice.messages.map((each, place) => (place < last && each.sender === me && !each.is_read ? { ...each, is_read: true } : each));
  return { ...slice, messages };
}

/** The oldest of a page's newest messages that `me` has not seen; null where all are seen, or all are new. */
export function firstUnreadOf(page, { me, seen }) {
  const place = page.findIndex((each) => each.sender === me || each.is_read || each._id === seen);
  return place > 0 ? page[place - 1]._id : null;
}

function idsOf(slice) {
  return new Set(slice.messages.map(({ _id }) => _id));
}

function cut(slice, messages) {
  const kept = messages.slice(-MOST);
  return { ...slice, messages: kept, hasOlder: slice.hasOlder || kept.length < messages.length };
}

/* What is the same stays the same object: it need not be drawn again. */
function merged(old, now) {
  if (!now || (old && JSON.stringify(old) === JSON.stringify(now))) return old;
  return now;
}
