/** Runs `work` for 0, 1 … `count`, all at once: each is a lane with a store of its own. Resolves when all have ended. */
export async function inLanes<T>(count: number, work: (lane: number) => Promise<T>): Promise<T[]> {
  const ends = await Promise.allSettled(Array.from({ length: count }, (_, lane) => work(lane)))
  return ends.map((end) => {
    if (end.status === 'rejected') throw end.reason
    return end.value
  })
}

/** The rounds of one lane: every `count`th, so that the number of a round says what it was whatever ran beside it. */
export function* roundsOf(lane: number, count: number, rounds: number): Generator<number> {
  for (let round = lane + 1; round <= rounds; round += count) yield round
}
