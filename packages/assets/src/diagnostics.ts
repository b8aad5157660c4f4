import { type Channel, channel, type TracingChannel, tracingChannel } from 'node:diagnostics_channel'
import type { StoreEvents } from './types.js'

type TracedVerb = 'acquire' | 'open' | 'verify'

/** What subscribers of `cistern:<event>` get: the event's own content. */
const channels: Readonly<Record<keyof StoreEvents, Channel>> = {
  commit: channel('cistern:commit'),
  fail: channel('cistern:fail'),
  abandon: channel('cistern:abandon'),
  remove: channel('cistern:remove'),
  evict: channel('cistern:evict'),
  leak: channel('cistern:leak'),
  degraded: channel('cistern:degraded'),
  restored: channel('cistern:restored'),
  readonly: channel('cistern:readonly'),
}

/** `tracing:cistern:<verb>:start` and so on, as `node:diagnostics_channel` has it; the context is `{ key }`. */
const verbs: Readonly<Record<TracedVerb, TracingChannel>> = {
  acquire: tracingChannel('cistern:acquire'),
  open: tracingChannel('cistern:open'),
  verify: tracingChannel('cistern:verify'),
}

/** Costs next to nothing while nobody listens. */
export function publish(name: keyof StoreEvents, content: unknown): void {
  const subscribed = channels[name]
  if (subscribed?.hasSubscribers) subscribed.publish(content ?? {})
}

/** Runs `work`; tells its beginning, its end and its failure to those who trace `verb`. */
export function traced<T>(verb: TracedVerb, key: string | undefined, work: () => Promise<T>): Promise<T> {
  const { start, end, asyncStart, asyncEnd, error } = verbs[verb]
  const isTraced =
    start.hasSubscribers ||
    end.hasSubscribers ||
    asyncStart.hasSubscribers ||
    asyncEnd.hasSubscribers ||
    error.hasSubscribers
  return isTraced ? verbs[verb].tracePromise(work, { key }) : work()
}
