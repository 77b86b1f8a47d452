/* BlurHash (https://blurha.sh): the colours of a picture that is not there yet, in some thirty characters. */

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~";

/** The pixels (RGBA) of a picture of that size, null where the hash is none. */
export function decode(hash, width, height) {
  const size = numberOf(hash?.[0] ?? "");
  const across = (size % 9) + 1;
  const down = Math.floor(size / 9) + 1;
  if (!(size >= 0) || hash.length !== 4 + 2 * across * down) return null;
  const most = (numberOf(hash[1]) + 1) / 166;
  const colors = Array.from({ length: across * down }, (_, place) => (place === 0
    ? averageOf(numberOf(hash.slice(2, 6))) : detailOf(numberOf(hash.slice(4 + place * 2, 6 + place * 2)), most)));
  const pixels = new Uint8ClampedArray(width * height * 4);
  for (let y = 0, at = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, at += 4) paint(pixels, at, colors, { across, down, x: x / width, y: y / height });
  }
  return pixels;
}

function paint(pixels, at, colors, { across, down, x, y }) {
  for (let channel = 0; channel < 3; channel += 1) {
    let light = 0;
    for (let j = 0; j < down; j += 1) {
      for (let i = 0; i < across; i += 1) light += colors[j * across + i][channel] * Math.cos(Math.PI * x * i) * Math.cos(Math.PI * y * j);
    }
    pixels[at + channel] = toByte(light);
  }
  pixels[at + 3] = 255;
}

function numberOf(digits) {
  return [...digits].reduce((value, digit) => value * 83 + (DIGITS.includes(digit) ? DIGITS.indexOf(digit) : NaN), digits ? 0 : NaN);
}

function averageOf(value) {
  return [value >> 16, (value >> 8) & 255, value & 255].map(toLight);
}

function detailOf(value, most) {
  return [Math.floor(value / 361), Math.floor(value / 19) % 19, value % 19].map((each) => {
    const share = (each - 9) / 9;
    return Math.sign(share) * share ** 2 * most;
  });
}

function toLight(byte) {
  const share = byte / 255;
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
}

function toByte(light) {
  const share = Math.min(Math.max(light, 0), 1);
  return Math.round((share <= 0.0031308 ? share * 12.92 : 1.055 * share ** (1 / 2.4) - 0.055) * 255);
}
