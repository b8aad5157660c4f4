/**
 * An element; `children` are elements, or text that went through `escaped`.
 * @param {string} name
 * @param {Record<string, string | number | undefined>} attributes
 * @param {...string} children
 */
export function element(name, attributes, ...children) {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === 'number' ? rounded(value) : escaped(String(value))}"`)
    .join('')
  return children.length === 0 ? `<${name}${written}/>` : `<${name}${written}>${children.join('')}</${name}>`
}

/** What XML has no way to write becomes U+FFFD. @param {string} text */
export function escaped(text) {
  return text
    .replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}

/**
 * Lines of at most so many characters, broken at spaces where there are any.
 * @param {string} text
 * @param {number} most
 * @returns {string[]}
 */
export function wrapped(text, most) {
  if (text.length <= most) return [text]
  const space = text.lastIndexOf(' ', most)
  const end = space > 0 ? space : most
  return [text.slice(0, end), ...wrapped(text.slice(end).trimStart(), most)]
}

/**
 * Lines of text, one below the other.
 * @param {readonly string[]} lines
 * @param {{ x: number, y: number, class: string, step?: number, 'text-anchor'?: string }} place Of the first baseline.
 */
export function textLines(lines, { y, step = 16, ...attributes }) {
  return lines.map((line, index) => element('text', { ...attributes, y: y + index * step }, escaped(line))).join('\n')
}

/** A tenth of a pixel is enough, and the same in every run. @param {number} value */
function rounded(value) {
  return String(Math.round(value * 10) / 10)
}
