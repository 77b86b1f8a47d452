/* Which pages of this browser send what: they are asked before an upload is taken up that may be one of theirs. */

const CHANNEL = "transfer-service uploads";
const ANSWERED_MS = 200;

const channel = "BroadcastChannel" in window ? new BroadcastChannel(CHANNEL) : null;
const me = [...window.crypto.getRandomValues(new Uint32Array(2))].join("-");
const held = new Map();
const asked = new Set();

channel?.addEventListener("message", ({ data }) => {
  if (data.ask !== undefined && held.has(data.ask)) {
    channel.postMessage({ have: data.ask, by: me, to: data.from, fingerprint: held.get(data.ask) });
  } else if (data.to === me) {
    for (const hear of asked) hear(data);
  }
});

/** This page sends an upload, from now on until `release`. */
export function hold(uploadId, fingerprint) {
  held.set(uploadId, fingerprint);
}

export function release(uploadId) {
  held.delete(uploadId);
}

/**
 * The fingerprint of the file that another page sends by this upload, null where none does. Where two take it up at
 * once, one of them is told so.
 */
export function heldElsewhere(uploadId) {
  if (!channel) return Promise.resolve(null);
  return new Promise((resolve) => {
    const end = (answer) => {
      asked.delete(hear);
      resolve(answer);
    };
    const hear = ({ have, by, fingerprint }) => {
      if (have === uploadId && !(held.has(uploadId) && me < by)) end(fingerprint);
    };
    asked.add(hear);
    setTimeout(() => end(null), ANSWERED_MS);
    channel.postMessage({ ask: uploadId, from: me });
  });
}
