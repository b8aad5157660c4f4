/**
 * 0 … count-1 in an order that has none, the same in every run.
 * @param {number} count
 */
export function shuffled(count) {
  const order = Array.from({ length: count }, (_, index) => index)
  let seed = 1
  for (let last = count - 1; last > 0; last--) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    const other = Math.floor((seed / 2 ** 32) * (last + 1))
    const kept = order[last] ?? 0
    order[last] = order[other] ?? 0
    order[other] = kept
  }
  return order
}
