// Runs an example as a user would: through scripts/example.mjs, in a process of its own.
import { type Child, type ChildExit, spawnChild } from '../helpers/child.js'

const SCRIPT = new URL('../../../scripts/example.mjs', import.meta.url)
/** No example takes more than seconds; a machine that is busy with something else may need more. */
const TIME_OUT_MS = 120_000

export interface ExampleRun extends ChildExit {
  readonly stdout: string
  readonly stderr: string
}

/** Resolves when the example has ended, however it did. `meanwhile` may talk to it before that. */
export async function runExample(
  args: readonly string[],
  meanwhile: (child: Child) => Promise<unknown> = async () => {},
): Promise<ExampleRun> {
  await using child = spawnChild(SCRIPT, { args })
  // SIGTERM, because the script passes it on: the example would outlive a script that was killed.
  const overdue = setTimeout(() => child.process.kill('SIGTERM'), TIME_OUT_MS)
  try {
    await meanwhile(child)
    const exit = await child.exited
    return { ...exit, stdout: child.stdout, stderr: child.stderr }
  } finally {
    clearTimeout(overdue)
  }
}
