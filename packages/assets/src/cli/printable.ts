/** Controls (C0, DEL, C1), and what turns the order of letters round or hides: a terminal would act on them. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Surrogate}]/gu

/** Text for a terminal: what it would act on stands as an escape, as in a string of JavaScript. */
export const printable = (text: string): string => text.replace(UNSAFE, escaped)

/**
 * One value as JSON. JSON itself escapes only the first of the controls; the others stand as escapes too, which any
 * parser reads as the same text.
 */
export const json = (value: unknown): string => JSON.stringify(value).replace(UNSAFE, escaped)

function escaped(letter: string): string {
  // One by one: beyond the basic plane a letter is two of these.
  let text = ''
  for (let at = 0; at < letter.length; at++) text += `\\u${letter.charCodeAt(at).toString(16).padStart(4, '0')}`
  return text
}
