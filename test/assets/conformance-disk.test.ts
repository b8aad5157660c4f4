import { test } from 'node:test'
import { AssetStore } from '@cistern/assets'
import { testAssetStore } from '@cistern/assets/testing'
import { diskPlace } from './disk/places.js'

testAssetStore({
  test,
  factory: { name: 'disk', create: () => diskPlace((root, options) => AssetStore.open({ ...options, root })) },
  capabilities: { survivesReopening: true, sparse: true },
})
