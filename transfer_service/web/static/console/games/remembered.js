/* Where in the catalogue somebody was, for the way back. */

import { hrefOf } from "../core/router.js";

export const remembered = { catalogue: hrefOf("games"), gameId: null };
