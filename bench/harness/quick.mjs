/** This run only looks whether the workloads run: `npm run bench -- --quick`. Nothing is judged. */
export const isQuick = process.env.CISTERN_BENCH_QUICK === '1'

/**
 * How often something is done in this run.
 * @param {number} wanted
 */
export function times(wanted) {
  return isQuick ? Math.min(wanted, 1) : wanted
}
