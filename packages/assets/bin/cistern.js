#!/usr/bin/env node
// Kept apart from what is compiled: npm links a command when it installs, which in a clone is before anything was built.
import { main } from '../dist/cli/main.js'

await main(process.argv.slice(2))
