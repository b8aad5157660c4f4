import { readFileSync } from 'node:fs'

export const USAGE = `usage: cistern verify ROOT [--repair] [--json] [--no-progress]
       cistern ls ROOT [ASSET] [--json]
       cistern stat ROOT KEY [--json]

  verify   compares files and checksums with the index
  ls       lists the assets, least recently used first; or the resources of one
  stat     tells all about one resource; KEY is asset/path

  --repair        keeps the good blocks of what is damaged, drops what is missing, deletes files that no record
                  names. Needs a store that no process has open; everything else works beside its owner
  --json          one JSON document on stdout
  --no-progress   no progress bar, which is shown only where stderr is a terminal
  -h, --help      this text
  -v, --version   the version

exit codes: 0 all is well, or was repaired · 1 damage to files or index; no such asset or key · 2 wrong usage
            3 not a store, or it cannot be read · 4 owned by another process
            130, 143, 129 ended by SIGINT, SIGTERM, SIGHUP
`

export function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { readonly version: string }).version
}
