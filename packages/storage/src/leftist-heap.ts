/**
 * Crane's leftist heap (Knuth, TAOCP 5.2.3): melding and popping are O(log n) in the worst case, not only amortised, so that
 * waking the first of 10,000 costs no more than waking the last.
 */
export interface HeapNode<N> {
  readonly limit: number
  readonly serial: number
  left: N | undefined
  right: N | undefined
  /** Nodes on the way down the right side: at most log n. */
  rank: number
}

/** The heap of both; equal limits keep their order of arrival. */
export function meld<N extends HeapNode<N>>(a: N | undefined, b: N | undefined): N | undefined {
  if (a === undefined) return b
  if (b === undefined) return a
  const aFirst = a.limit < b.limit || (a.limit === b.limit && a.serial < b.serial)
  const top = aFirst ? a : b
  top.right = meld(top.right, aFirst ? b : a)
  // The deeper side goes left, so that the way down the right stays short.
  if ((top.left?.rank ?? 0) < (top.right?.rank ?? 0)) [top.left, top.right] = [top.right, top.left]
  top.rank = (top.right?.rank ?? 0) + 1
  return top
}

/** The heap without its top. */
export function pop<N extends HeapNode<N>>(top: N): N | undefined {
  const heap = meld(top.left, top.right)
  single(top)
  return heap
}

/** Makes `node` a heap of one. */
export function single<N extends HeapNode<N>>(node: N): N {
  node.left = node.right = undefined
  node.rank = 1
  return node
}

/** All nodes, in no order. No recursion: the left side may be as long as the heap. */
export function nodesOf<N extends HeapNode<N>>(heap: N | undefined): N[] {
  const nodes: N[] = heap === undefined ? [] : [heap]
  for (let i = 0; i < nodes.length; i++) {
    const { left, right } = nodes[i] as N
    if (left !== undefined) nodes.push(left)
    if (right !== undefined) nodes.push(right)
  }
  return nodes
}
