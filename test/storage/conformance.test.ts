import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { FileDriver, MemDriver } from '@cistern/storage'
import { testResource } from '@cistern/storage/testing'

const folder = mkdtempSync(join(tmpdir(), 'cistern-conformance-'))
after(() => rmSync(folder, { recursive: true }))

let files = 0
testResource({
  test,
  factory: {
    name: 'file',
    create: () => FileDriver.create(join(folder, `${files++}.part`)),
    reopen: (driver) => FileDriver.open(driver.path as string, { writable: true }),
  },
})

const maxBytes = 64 * 1024 * 1024
testResource({ test, factory: { name: 'memory', create: () => new MemDriver({ maxBytes }), maxBytes } })
