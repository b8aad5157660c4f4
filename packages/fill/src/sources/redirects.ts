/** What follows from an answer that sends elsewhere. */
export type Redirect = { readonly to: URL } | { readonly refused: string }

const redirecting = [301, 302, 303, 307, 308]
/** Of the caller's headers, those that another origin gets to see: any other may be a credential. */
const harmless = ['accept', 'accept-language', 'user-agent']

export function isRedirect(status: number): boolean {
  return redirecting.includes(status)
}

/** Where a Location leads. User and password in it are dropped: those come from the caller only. */
export function redirected(from: URL, location: string | null): Redirect {
  if (location === null) return { refused: 'a redirect without a Location' }
  if (!URL.canParse(location, from.href)) return { refused: 'a redirect to what is no URL' }
  const to = new URL(location, from)
  to.username = ''
  to.password = ''
  if (to.protocol !== 'http:' && to.protocol !== 'https:') return { refused: `a redirect to a ${to.protocol} URL` }
  if (from.protocol === 'https:' && to.protocol === 'http:') return { refused: 'a redirect from https to http' }
  return { to }
}

/** Headers for the next hop. Once dropped they are gone, even if a later hop leads back. */
export function forwarded(headers: Readonly<Record<string, string>>, from: URL, to: URL): Record<string, string> {
  const kept = Object.entries(headers).filter(([name]) => from.origin === to.origin || harmless.includes(name))
  return Object.fromEntries(kept)
}
