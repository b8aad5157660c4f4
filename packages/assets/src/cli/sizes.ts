const UNITS = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** `1.5 MiB`: cut, not rounded, so that what is not whole never looks as if it were. */
export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  let value = bytes / 1024
  let unit = 0
  for (; value >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024
  return `${(Math.floor(value * 10) / 10).toFixed(1)} ${UNITS[unit]}`
}

/** `1 block`, `2 blocks`. */
export const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`

/** `42%` of `total`, cut too; `?` where that is not known. */
export function share(part: number, total: number | undefined): string {
  if (total === undefined) return '?'
  return total === 0 ? '100%' : `${Math.floor((part / total) * 100)}%`
}
