// Takes in and forgets what is sent to it, in a process of its own.
import { createServer } from 'node:net'
import { answering } from './child.mjs'

answering({
  listen: () =>
    new Promise((resolve) => {
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        let bytes = 0
        socket.on('end', () => socket.end(String(bytes)))
        socket.on('data', (chunk) => {
          bytes += chunk.length
        })
      }).listen(0, '127.0.0.1', () => {
        const address = server.address()
        resolve(typeof address === 'object' ? address?.port : undefined)
      })
    }),
})
