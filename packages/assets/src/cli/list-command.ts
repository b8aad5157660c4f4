import { Pace } from '../index/pace.js'
import type { StoreInspection } from '../inspect-store.js'
import { ResourceKey } from '../key.js'
import type { AssetStat, ResourceStat } from '../types.js'
import { type Command, inspecting } from './command.js'
import { EXIT } from './exit-codes.js'
import { json, printable } from './printable.js'
import { count, share, size } from './sizes.js'

export interface ListRequest {
  readonly root: string
  readonly asset: string | undefined
  readonly json: boolean
}

/** `cistern ls`: assets, least recently used first, or the resources of one. Names come last, so that no line waits for all. */
export function list(request: ListRequest, command: Command): Promise<number> {
  const { root, asset } = request
  if (asset !== undefined) ResourceKey.of(asset, 'any') // throws what a name that no asset can have is refused with
  return inspecting(root, (store) =>
    asset === undefined ? listAssets(store, request, command) : listResources(store, asset, request, command),
  )
}

async function listAssets(store: StoreInspection, request: ListRequest, command: Command): Promise<number> {
  if (request.json) {
    await printList(`{"root":${json(request.root)},"assets":[`, store.assets(), assetFields, command)
    return EXIT.ok
  }
  const { output } = command
  const total = { assets: 0, resources: 0, bytes: 0 }
  await output.line(row(['BYTES', 'RESOURCES', 'PINNED'], ASSET_WIDTHS, 'ASSET'))
  await each(store.assets(), command, ({ asset, bytes, resources, pinned }) => {
    total.assets++
    total.resources += resources
    total.bytes += bytes
    return output.line(row([size(bytes), `${resources}`, pinned ? 'pinned' : '-'], ASSET_WIDTHS, printable(asset)))
  })
  const { assets, resources, bytes } = total
  await output.line(`${count(assets, 'asset')}, ${count(resources, 'resource')}, ${size(bytes)}`)
  return EXIT.ok
}

async function listResources(
  store: StoreInspection,
  asset: string,
  request: ListRequest,
  command: Command,
): Promise<number> {
  const stat = store.assetStat(asset)
  if (stat === undefined) {
    process.stderr.write(printable(`cistern: ${request.root} has no asset ${asset}`))
    process.stderr.write('\n')
    return EXIT.found
  }
  if (request.json) {
    const { bytes, pinned } = stat
    const start = json({ root: request.root, asset, bytes, pinned }).replace(/\}$/, ',"resources":[')
    await printList(start, store.resources(asset), resourceFields, command)
    return EXIT.ok
  }
  const { output } = command
  await output.line(row(['BYTES', 'COVERED', 'STATE', 'GENERATION'], RESOURCE_WIDTHS, 'PATH'))
  await each(store.resources(asset), command, (resource) => {
    const { key, state, generation, length, received, storedBytes } = resource
    const covered = share(received.size, state === 'committed' ? received.size : length)
    return output.line(row([size(storedBytes), covered, state, generation], RESOURCE_WIDTHS, printable(key.path)))
  })
  const { resources, bytes, pinned } = stat
  await output.line(`${count(resources, 'resource')}, ${size(bytes)}${pinned ? ', pinned' : ''}`)
  return EXIT.ok
}

const assetFields = ({ asset, bytes, resources, pinned }: AssetStat) => ({ asset, bytes, resources, pinned })

const resourceFields = ({
  key,
  state,
  generation,
  length,
  received,
  storedBytes,
  committedAt,
  processor,
}: ResourceStat) => ({
  path: key.path,
  state,
  generation,
  length: length ?? null,
  received: received.size,
  storedBytes,
  committedAt: committedAt?.toISOString() ?? null,
  processed: processor !== undefined,
})

/** One document, item by item. */
async function printList<T>(
  start: string,
  items: Iterable<T>,
  fields: (item: T) => object,
  command: Command,
): Promise<void> {
  const { output } = command
  await output.write(start)
  let separator = '\n'
  await each(items, command, async (item) => {
    await output.write(`${separator}${json(fields(item))}`)
    separator = ',\n'
  })
  await output.line('\n]}')
}

async function each<T>(
  items: Iterable<T>,
  { output, signal }: Command,
  print: (item: T) => Promise<void>,
): Promise<void> {
  const pace = new Pace()
  for (const item of items) {
    signal.throwIfAborted()
    if (output.isClosed) return
    await print(item)
    if (pace.due) await pace.rest()
  }
}

const ASSET_WIDTHS = [11, 10, -7]
const RESOURCE_WIDTHS = [11, 8, -10, -24]

/** Cells in columns, right-aligned where the width is positive; what comes last takes as much as it needs. */
function row(cells: readonly string[], widths: readonly number[], last: string): string {
  const padded = cells.map((cell, at) => {
    const width = widths[at] ?? 0
    return width < 0 ? cell.padEnd(-width) : cell.padStart(width)
  })
  return [...padded, last].join('  ')
}
