import { test } from 'node:test'
import { testAssetStore } from '@cistern/assets/testing'
import { MemStore } from '@cistern/mem-store'

testAssetStore({
  test,
  factory: {
    name: 'memory',
    create: async () => ({ open: (options) => MemStore.open(options), [Symbol.asyncDispose]: async () => {} }),
  },
  capabilities: { survivesReopening: false, sparse: false },
})
