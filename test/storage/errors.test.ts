import assert from 'node:assert/strict'
import { constants } from 'node:os'
import { test } from 'node:test'
import * as storage from '@cistern/storage'
import {
  CisternError,
  type CisternErrorCode,
  mapIoError,
  NoSpaceError,
  NotFoundError,
  StorageIoError,
} from '@cistern/storage'

const classes: Record<CisternErrorCode, string> = {
  ERR_CISTERN_NOT_FOUND: 'NotFoundError',
  ERR_CISTERN_REMOVED: 'ResourceRemovedError',
  ERR_CISTERN_INVALID_KEY: 'InvalidKeyError',
  ERR_CISTERN_INVALID_RANGE: 'InvalidRangeError',
  ERR_CISTERN_INVALID_OPTION: 'InvalidOptionError',
  ERR_CISTERN_RANGE_NOT_AVAILABLE: 'RangeNotAvailableError',
  ERR_CISTERN_ABANDONED: 'ResourceAbandonedError',
  ERR_CISTERN_INCOMPLETE: 'IncompleteResourceError',
  ERR_CISTERN_INTEGRITY: 'IntegrityError',
  ERR_CISTERN_PROCESSING: 'ProcessingError',
  ERR_CISTERN_PROCESSOR_MISMATCH: 'ProcessorMismatchError',
  ERR_CISTERN_WRITER_CLOSED: 'WriterClosedError',
  ERR_CISTERN_READER_CLOSED: 'ReaderClosedError',
  ERR_CISTERN_STORE_CLOSED: 'StoreClosedError',
  ERR_CISTERN_STORE_LOCKED: 'StoreLockedError',
  ERR_CISTERN_STORE_READONLY: 'StoreReadonlyError',
  ERR_CISTERN_QUOTA_EXCEEDED: 'QuotaExceededError',
  ERR_CISTERN_NO_SPACE: 'NoSpaceError',
  ERR_CISTERN_STORAGE_IO: 'StorageIoError',
  ERR_CISTERN_INDEX_VERSION: 'IndexVersionError',
  ERR_CISTERN_NOT_SUPPORTED: 'NotSupportedError',
  ERR_CISTERN_SOURCE: 'SourceError',
  ERR_CISTERN_SOURCE_CHANGED: 'SourceChangedError',
}

test('each code has its class, named for it, and keeps its cause', () => {
  for (const [code, name] of Object.entries(classes)) {
    const Class = (storage as unknown as Record<string, new (message: string, options?: object) => CisternError>)[name]
    assert.ok(Class, name)
    const cause = new Error('below')
    const error = new Class('what happened', { cause })
    assert.ok(error instanceof CisternError && error instanceof Error)
    assert.deepEqual([error.code, error.name, error.message, error.cause], [code, name, 'what happened', cause])
    assert.match(String(error.stack), new RegExp(`^${name}: what happened`))
    assert.ok(CisternError.is(error) && CisternError.is(error, code as CisternErrorCode))
    assert.ok(!('cause' in new Class('no cause')))
  }
})

test('is tells codes and classes apart, and holds across duplicate installs', async () => {
  const error = new NotFoundError('gone')
  assert.ok(!CisternError.is(error, 'ERR_CISTERN_NO_SPACE'))
  assert.ok(NotFoundError.is(error))
  assert.ok(!NoSpaceError.is(error))
  for (const other of [new Error('x'), null, undefined, 'ERR_CISTERN_NOT_FOUND', { code: 'ERR_CISTERN_NOT_FOUND' }]) {
    assert.ok(!CisternError.is(other))
  }
  const { is } = CisternError
  assert.ok(is(error, 'ERR_CISTERN_NOT_FOUND'))
  // The same file under another address is another module, as a second install would be.
  const url = new URL(import.meta.resolve('@cistern/storage'))
  const copy = (await import(new URL('./errors.js?copy', url).href)) as typeof storage
  const foreign = new copy.NotFoundError('gone')
  assert.ok(!(foreign instanceof CisternError))
  assert.ok(CisternError.is(foreign, 'ERR_CISTERN_NOT_FOUND'))
  assert.ok(NotFoundError.is(foreign))
})

test('what a driver throws is mapped: full disk and quota to NoSpaceError, the rest to StorageIoError', () => {
  for (const [code, Class] of [
    ['ENOSPC', NoSpaceError],
    ['EDQUOT', NoSpaceError],
    ['EIO', StorageIoError],
    ['EMFILE', StorageIoError],
    [undefined, StorageIoError],
  ] as const) {
    const cause = Object.assign(new Error('why'), { code })
    const error = mapIoError(cause, '/some/file', 'write')
    assert.ok(error instanceof Class)
    assert.equal(error.cause, cause)
    assert.equal(error.path, '/some/file')
    assert.equal(error.message, 'cannot write /some/file: why')
  }
  const nameless = Object.assign(new Error('quota'), { code: 'Unknown system error', errno: -constants.errno.EDQUOT })
  assert.ok(mapIoError(nameless, undefined, 'write') instanceof NoSpaceError, 'libuv has no name for EDQUOT')
  const ours = new NotFoundError('gone')
  assert.equal(mapIoError(ours, undefined, 'read'), ours)
  assert.equal(mapIoError('odd', undefined, 'read').message, 'cannot read: odd')
})
