import fc from 'fast-check'

/** Everything random in the tests comes from this number. `CISTERN_SEED=N npm test` repeats a run. */
export const seed: number = Number(process.env.CISTERN_SEED ?? Date.now() % 2 ** 31)

fc.configureGlobal({ seed })
// Told at once, not with the failure: what hangs never comes to tell.
console.log(`CISTERN_SEED=${seed}`)

export default fc
