import { existsSync, readdirSync, readFileSync } from 'node:fs'

/** The folder of the repository: this file runs as test/dist/docs/markdown.js. */
export const repository: URL = new URL('../../../', import.meta.url)

/** A page, by its path in the repository. */
export interface Page {
  readonly path: string
  readonly text: string
}

/** A code block that a comment in its first line marks: `// sample: name`, with `run` behind it where it is to be run. */
export interface Sample {
  readonly page: string
  readonly name: string
  readonly language: 'ts' | 'js'
  readonly runs: boolean
  readonly code: string
}

const FENCE = /^```(ts|js)\n([\s\S]*?)^```$/gm
const MARK = /^\/\/ sample: ([a-z0-9-]+)( run)?\n/
const LINK = /\]\(([^)\s]+)\)/g

export function pages(): Page[] {
  const guide = readdirSync(new URL('docs/guide/', repository)).filter((name) => name.endsWith('.md'))
  const paths = [
    'README.md',
    'docs/performance.md',
    ...guide.sort().map((name) => `docs/guide/${name}`),
    ...readmes('packages', 'examples'),
  ]
  return paths.map((path) => ({ path, text: readFileSync(new URL(path, repository), 'utf8') }))
}

/** Of each folder in these that has one. */
function readmes(...folders: readonly string[]): string[] {
  return folders
    .flatMap((folder) =>
      readdirSync(new URL(folder, repository))
        .sort()
        .map((name) => `${folder}/${name}/README.md`),
    )
    .filter((path) => existsSync(new URL(path, repository)))
}

/** All code of a page. Throws for a block without a mark: what is not a sample is not known to work. */
export function samplesOf({ path, text }: Page): Sample[] {
  return [...text.matchAll(FENCE)].map(([, language, code = '']) => {
    const [, name, run] = MARK.exec(code) ?? []
    if (name === undefined)
      throw new Error(`${path}: a block of ${language} has no "// sample: name": ${code.slice(0, 60)}`)
    return { page: path, name, language: language === 'js' ? 'js' : 'ts', runs: run !== undefined, code }
  })
}

/** Where a page points to in the repository, without anchors. */
export function localLinksOf({ text }: Page): string[] {
  return [...text.matchAll(LINK)]
    .map(([, target = '']) => target.replace(/#.*$/, ''))
    .filter((target) => target !== '' && !/^[a-z]+:/.test(target))
}
