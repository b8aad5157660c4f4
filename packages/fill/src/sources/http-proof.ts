import type { SourceRequest, SourceResponse } from '../source.js'
import { parseContentRange, parseLength, parseUnsatisfied } from './content-range.js'
import type { HttpAnswer, HttpHeaders } from './fetch.js'
import { validatorOf } from './http-validator.js'

/** All of a response but its body. */
export type Proven = Omit<SourceResponse, 'body'>

/** What an answer that is no failure by its status turns out to be. */
export type Proof = { readonly proven: Proven } | { readonly refused: string }

/** `conditional`: the request had an If-Range, so that a 206 and a 416 are of the version asked for. */
export function prove(answer: HttpAnswer, request: SourceRequest, conditional: boolean): Proof {
  const { status, headers } = answer
  const told = status === 200 ? ofWhole(headers, request, conditional) : ofPart(status, headers, request)
  if (typeof told === 'string') return { refused: told }
  const validator = validatorOf(headers, told.total)
  return {
    proven: {
      ...told,
      validator: validator ?? (conditional && status !== 200 ? request.validator : undefined),
      contentType: headers.get('content-type') ?? undefined,
    },
  }
}

type Told = Pick<Proven, 'start' | 'end' | 'total' | 'acceptsRanges'>

/** 200. A server that says that it knows ranges, and yet left ours aside without a reason, is not believed. */
function ofWhole(headers: HttpHeaders, { start }: SourceRequest, conditional: boolean): Told | string {
  if (isCoded(headers)) return 'its body is coded, though that was not accepted'
  const total = parseLength(headers.get('content-length'))
  const says = /(^|,)\s*bytes\s*(,|$)/i.test(headers.get('accept-ranges') ?? '')
  return { start: 0, end: total, total, acceptsRanges: says && (start === 0 || conditional) }
}

/** 206 and 416. */
function ofPart(status: number, headers: HttpHeaders, request: SourceRequest): Told | string {
  const { start, end } = request
  if (status === 416) {
    const total = parseUnsatisfied(headers.get('content-range'))
    if (total !== undefined && total <= start) return { start, end: start, total, acceptsRanges: true }
    return `byte ${start} is not there, it says${total === undefined ? '' : `, of ${total} in all`}`
  }

  if (isCoded(headers)) return 'its body is coded, though that was not accepted'
  if (/^\s*multipart\/byteranges/i.test(headers.get('content-type') ?? '')) return 'several ranges for one'
  const range = parseContentRange(headers.get('content-range'))
  if (!range) return 'a part without a Content-Range that can be'
  const said = `bytes ${range.start} to ${range.end}`
  if (range.start !== start || range.end > (end ?? range.end)) {
    return `${said}, asked for ${start} to ${end ?? 'the end'}`
  }
  const length = parseLength(headers.get('content-length'))
  if (length !== undefined && length !== range.end - range.start) return `${said} in a body of ${length}`
  return { ...range, acceptsRanges: true }
}

function isCoded(headers: HttpHeaders): boolean {
  const codings = (headers.get('content-encoding') ?? '').split(',').map((coding) => coding.trim().toLowerCase())
  return codings.some((coding) => coding !== '' && coding !== 'identity')
}
