/* How fast transfers are, by how far they have come between two looks. */

const WEIGHT = 0.5;

/** `measure(transfers)` gives bytes per second by id, for those that were there at the look before; newer looks weigh more. */
export function createRates(now = () => performance.now()) {
  let before = new Map();
  return {
    measure(transfers) {
      const at = now();
      const seen = new Map(transfers.map(({ id, offset }) => [id, { offset, at, rate: rateOf(before.get(id), offset, at) }]));
      before = seen;
      return new Map([...seen].map(([id, { rate }]) => [id, rate]));
    },
  };
}

/* A transfer that begins anew is at a lower offset; one that stands still is at rest at once. */
function rateOf(earlier, offset, at) {
  if (!earlier || at <= earlier.at) return earlier?.rate;
  const moved = offset - earlier.offset;
  if (moved <= 0) return 0;
  const rate = (moved * 1000) / (at - earlier.at);
  return earlier.rate ? earlier.rate * (1 - WEIGHT) + rate * WEIGHT : rate;
}
