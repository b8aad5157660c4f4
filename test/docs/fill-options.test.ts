// The tables of packages/fill/README.md name the options that there are, with the defaults that hold.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { FILL_OPTIONS, FILLER_OPTIONS, PREFETCH_OPTIONS } from '#fill/options.js'
import { httpSettings } from '#fill/sources/http-options.js'
import { repository } from './markdown.js'

const readme = readFileSync(new URL('packages/fill/README.md', repository), 'utf8')
const types = readFileSync(new URL('packages/fill/src/types.ts', repository), 'utf8')

test('all options of a filler are there, with the defaults that their docstrings have', () => {
  const rows = tableBehind('Of `new Filler`:')
  assert.deepEqual(namesOf(rows), Object.keys(FILLER_OPTIONS).sort())
  const [, declared = ''] = /interface FillerOptions \{(.*?)\n\}/s.exec(types) ?? []
  for (const [name = '', value] of rows.map(cellsOf)) {
    const [, docstring = ''] = new RegExp(`/\\*\\* ([^\\n]*) \\*/\\n  readonly ${bare(name)}\\?`).exec(declared) ?? []
    const [, said = value === 'no limit' ? 'no limit' : 'none'] = /Default:? (.+?)\.$/.exec(docstring) ?? []
    assert.equal(value, said, name)
  }
})

test('all options of open, prefetch and complete are there', () => {
  const rows = tableBehind('Of `open`, `prefetch` and `complete`:')
  assert.deepEqual(namesOf(rows), Object.keys({ ...FILL_OPTIONS, ...PREFETCH_OPTIONS }).sort())
})

test('all options of httpSource are there, with their defaults', () => {
  const rows = tableBehind('Of `httpSource(url, options)`:')
  const settings = httpSettings(undefined)
  assert.deepEqual(namesOf(rows), Object.keys(settings).sort())
  for (const [name = '', value = ''] of rows.map(cellsOf)) {
    const setting = settings[bare(name) as keyof typeof settings]
    if (typeof setting === 'number') assert.equal(Number(bare(value).replace(',', '')), setting, name)
  }
})

/** The rows of the first table behind a line, without its head. */
function tableBehind(line: string): string[] {
  const [table = ''] = readme.slice(readme.indexOf(`${line}\n`) + line.length).match(/(?:^\|.*\n)+/m) ?? []
  return table.trimEnd().split('\n').slice(2)
}

function namesOf(rows: readonly string[]): string[] {
  return rows
    .flatMap((row) => cellsOf(row)[0]?.split(', ') ?? [])
    .map(bare)
    .sort()
}

const cellsOf = (row: string): string[] =>
  row
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim())

const bare = (cell: string): string => cell.replaceAll('`', '')
