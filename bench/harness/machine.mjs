import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { arch, cpus, platform, totalmem } from 'node:os'

/**
 * Where a run was made.
 * @typedef {object} Machine
 * @property {string} node
 * @property {string} system
 * @property {string} cpu
 * @property {number} cores
 * @property {number} memoryGiB
 */

/** @returns {Machine} */
export function thisMachine() {
  return {
    node: process.version,
    system: `${platform()} ${arch()}`,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
  }
}

/**
 * The versions of what is compared with, as installed: the dependencies of bench/, and the programs that there are.
 * @returns {Record<string, string>}
 */
export function peerVersions() {
  const { dependencies } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  const installed = Object.keys(dependencies)
    .sort()
    .map((name) => [name, packageVersion(name)])
  const programs = [
    ['nginx', /nginx\/(\S+)/.exec(spawnSync('nginx', ['-v'], { encoding: 'utf8' }).stderr ?? '')?.[1]],
    ['wrk', /^wrk (?:debian\/)?(\S+)/.exec(spawnSync('wrk', ['-v'], { encoding: 'utf8' }).stdout ?? '')?.[1]],
  ]
  return Object.fromEntries([...installed, ...programs].filter(([, version]) => version !== undefined))
}

/** @param {string} name */
function packageVersion(name) {
  try {
    const text = readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url), 'utf8')
    return /** @type {string} */ (JSON.parse(text).version)
  } catch {
    return undefined // not installed: the workload that wants it says so
  }
}
