// Loaded before the command: sends this process the signal in INTERRUPT as it makes the call `name:nth`, so that the
// signal comes in the midst of the work on every machine.
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const [signal = '', name = '', nth = ''] = (process.env.INTERRUPT ?? '').split(':')
const place: Record<string, unknown> = name === 'unlink' ? { ...fs.promises } : { ...fs }
const original = place[name] as (...given: unknown[]) => unknown
let calls = 0

Object.assign(name === 'unlink' ? fs.promises : fs, {
  [name]: (...given: unknown[]) => {
    if (++calls === Number(nth)) process.kill(process.pid, signal)
    return original(...given)
  },
})
syncBuiltinESMExports()
