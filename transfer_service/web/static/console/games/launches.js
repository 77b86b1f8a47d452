/* Which games can be played here: the service knows, and is asked once for each that comes into view. */

import { useEffect, useState } from "../../vendor/htm-preact.js";
import { api } from "../core/api.js";

const answers = new Map();

/** The answer of GET …/launch. Raises ApiError. */
export function launchOf(id, signal) {
  return api("GET", `/api/games/${encodeURIComponent(id)}/launch`, { signal });
}

/** Whether an answer of `launchOf` leads to something that a browser can show. */
export function isPlayable({ downloaded, canPlayInBrowser, contentUrl }) {
  return Boolean(downloaded && canPlayInBrowser && contentUrl?.startsWith("/game-zip/"));
}

/** Whether a game of the catalogue can be played; false until it is known. `element` is a ref of where it is shown. */
export function usePlayable(game, element) {
  const key = game.downloaded && game.launchCommand ? `${game.id} ${game.platform} ${game.launchCommand}` : null;
  const [known, setKnown] = useState({});
  useEffect(() => {
    if (key === null) return undefined;
    const ask = async () => {
      if (!answers.has(key)) answers.set(key, launchOf(game.id).then(isPlayable));
      const canPlay = await answers.get(key).catch(() => answers.delete(key) && false);
      setKnown({ [key]: canPlay });
    };
    const seen = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      seen.disconnect();
      ask();
    });
    seen.observe(element.current);
    return () => seen.disconnect();
  }, [key]);
  return Boolean(key && known[key]);
}
