// The child of the helpers' own test: sends its argument, then says back what it is sent.
process.send?.(process.argv[2])
process.on('message', (message) => {
  console.log(message)
  process.send?.(message)
})
