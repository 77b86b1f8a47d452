/* What the server has written into the page: where it lies, and what the installation offers. */

const { base, assets, version } = document.body.dataset;

export const BASE = base;
export const ASSETS = assets;
export const VERSION = version;
export const HAS_TRASH = "trash" in document.body.dataset;
export const HAS_PROVIDER = "provider" in document.body.dataset;
export const LANGUAGE = document.documentElement.lang;
