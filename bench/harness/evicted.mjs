import { execFileSync } from 'node:child_process'
import { mkdirSync, rmdirSync, unlinkSync, writeFileSync } from 'node:fs'
import { rmdir, unlink } from 'node:fs/promises'
import { AssetStore } from '@cistern/assets'
import { assetName, pathName, RESOURCES_AN_ASSET } from './large-index.mjs'

/** A store of real files, of which the oldest assets go. */
export class EvictedStore {
  #store

  /** @param {AssetStore} store */
  constructor(store) {
    this.#store = store
  }

  /**
   * @param {string} root
   * @param {number} assets
   * @param {number} bytes Of each resource.
   */
  static async fill(root, assets, bytes) {
    const body = Buffer.alloc(bytes, 1)
    // Quickly, and on the medium all the same before anything is measured.
    const filling = await AssetStore.open({ root, minFreeBytes: 0, durability: 'relaxed' })
    for (let asset = 0; asset < assets; asset++) {
      await Promise.all(paths().map((path) => filling.asset(assetName(asset)).put(path, body)))
    }
    await filling.close()
    execFileSync('sync', ['--file-system', root])
    return new EvictedStore(await AssetStore.open({ root, minFreeBytes: 0 }))
  }

  /** Resolves once the files are unlinked. @param {number} assets */
  async evict(assets) {
    const left = this.#store.stats().assets - assets
    await this.#store.setLimits({ maxAssets: left })
    const { assets: found } = this.#store.stats()
    if (found !== left) throw new Error(`${found} assets are left, not ${left}`)
  }

  close() {
    return this.#store.close()
  }
}

/** The same files in the same folders, and nobody who keeps account of them. */
export class BareFiles {
  #root
  #next = 0

  /** @param {string} root */
  constructor(root) {
    this.#root = root
  }

  /**
   * @param {string} root
   * @param {number} assets
   * @param {number} bytes Of each.
   */
  static fill(root, assets, bytes) {
    const body = Buffer.alloc(bytes, 1)
    for (let asset = 0; asset < assets; asset++) {
      mkdirSync(`${root}/${assetName(asset)}`)
      for (const path of paths()) writeFileSync(`${root}/${assetName(asset)}/${path}`, body)
    }
    execFileSync('sync', ['--file-system', root])
    return new BareFiles(root)
  }

  /** @param {number} assets */
  removeSync(assets) {
    for (const folder of this.#take(assets)) {
      for (const path of paths()) unlinkSync(`${folder}/${path}`)
      rmdirSync(folder)
    }
  }

  /**
   * @param {number} assets
   * @param {number} atOnce Assets that are being removed.
   */
  async remove(assets, atOnce) {
    const folders = this.#take(assets).values()
    const worker = async () => {
      for (const folder of folders) {
        await Promise.all(paths().map((path) => unlink(`${folder}/${path}`)))
        await rmdir(folder)
      }
    }
    await Promise.all(Array.from({ length: atOnce }, worker))
  }

  /** @param {number} assets */
  #take(assets) {
    return Array.from({ length: assets }, () => `${this.#root}/${assetName(this.#next++)}`)
  }
}

function paths() {
  return Array.from({ length: RESOURCES_AN_ASSET }, (_, index) => pathName(index))
}
