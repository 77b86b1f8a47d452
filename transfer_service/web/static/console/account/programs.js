/* What a program is that calls itself so in `User-Agent`. It may be lying: this is to recognize one's own, no more. */

const BROWSERS = [
  [/\bEdg(?:e|A|iOS)?\/\d/, "Edge"],
  [/\bOPR\/\d/, "Opera"],
  [/\bSamsungBrowser\/\d/, "Samsung Internet"],
  [/\b(?:Firefox|FxiOS)\/\d/, "Firefox"],
  [/\b(?:Headless)?Chrome\/\d|\bCriOS\/\d/, "Chrome"],
  [/\bVersion\/[\d.]+ (?:Mobile\/\w+ )?Safari\/\d/, "Safari"],
];
const SYSTEMS = [
  [/\biPhone\b/, "iPhone"],
  [/\biPad\b/, "iPad"],
  [/\bAndroid\b/, "Android"],
  [/\bWindows\b/, "Windows"],
  [/\bMac OS X\b|\bMacintosh\b/, "macOS"],
  [/\bCrOS\b/, "ChromeOS"],
  [/\bLinux\b|\bX11\b/, "Linux"],
];
const PRODUCT = /^([\w.+-]{1,40})\/([\w.+-]{1,20})/;

/** `{program, system}`, each null where it is not known; of what is no browser the program is its name and version. */
export function programOf(userAgent) {
  const text = userAgent ?? "";
  const browser = nameIn(BROWSERS, text);
  if (browser) return { program: browser, system: nameIn(SYSTEMS, text) };
  const product = PRODUCT.exec(text);
  return { program: product ? `${product[1]} ${product[2]}` : text || null, system: null };
}

function nameIn(table, text) {
  return table.find(([pattern]) => pattern.test(text))?.[1] ?? null;
}
