package tokenizer

// A merge says that two adjacent symbols become the symbol id. Of the merges
// possible in a word the one of lowest rank is done first, the leftmost among
// equals.
type merge struct {
	rank, id int32
}

// merges maps a pair of adjacent symbols to its merge.
type merges map[uint64]merge

func pair(left, right int32) uint64 {
	return uint64(uint32(left))<<32 | uint64(uint32(right))
}

// noMerge ranks behind every merge.
const noMerge = int32(1<<31 - 1)

func (m merges) find(left, right int32) merge {
	if g, ok := m[pair(left, right)]; ok {
		return g
	}
	return merge{rank: noMerge}
}

// shortWord is the number of symbols up to which repeated scanning for the
// best pair is cheaper than a heap.
const shortWord = 48

// apply merges symbols until no merge is possible, in place, and returns what
// is left. Time is O(n²) up to shortWord symbols, O(n log n) beyond.
func (m merges) apply(symbols []int32, s *state) []int32 {
	if len(symbols) <= shortWord {
		return m.applyShort(symbols, s)
	}
	return m.applyLong(symbols, s)
}

// applyShort keeps, beside each symbol, its merge with the next one.
func (m merges) applyShort(symbols []int32, s *state) []int32 {
	n := len(symbols)
	if n < 2 {
		return symbols
	}
	next := s.next[:0]
	for i := 0; i+1 < n; i++ {
		next = append(next, m.find(symbols[i], symbols[i+1]))
	}
	s.next = next
	for {
		best, rank := -1, noMerge
		for i, g := range next {
			if g.rank < rank {
				best, rank = i, g.rank
			}
		}
		if best < 0 {
			return symbols
		}
		symbols[best] = next[best].id
		symbols = append(symbols[:best+1], symbols[best+2:]...)
		next = append(next[:best], next[best+1:]...)
		if best < len(next) {
			next[best] = m.find(symbols[best], symbols[best+1])
		}
		if best > 0 {
			next[best-1] = m.find(symbols[best-1], symbols[best])
		}
	}
}

// A node is a symbol in a doubly linked list over a long word; id -1 marks one
// that a merge has swallowed.
type node struct {
	id, prev, next int32
}

// A candidate is a possible merge of the symbols left and right, the left one
// at node at. It is void once either has changed.
type candidate struct {
	rank, at, left, right, id int32
}

func (c candidate) before(d candidate) bool {
	return c.rank < d.rank || c.rank == d.rank && c.at < d.at
}

// applyLong takes the candidates from a heap; void ones are skipped when they
// come up.
func (m merges) applyLong(symbols []int32, s *state) []int32 {
	n := int32(len(symbols))
	nodes := make([]node, n)
	for i, id := range symbols {
		nodes[i] = node{id, int32(i) - 1, int32(i) + 1}
	}
	h := s.heap[:0]
	push := func(at int32) {
		if at < 0 || nodes[at].next >= n {
			return
		}
		left, right := nodes[at].id, nodes[nodes[at].next].id
		if g, ok := m[pair(left, right)]; ok {
			h = heapPush(h, candidate{g.rank, at, left, right, g.id})
		}
	}
	for i := range n - 1 {
		push(i)
	}
	for len(h) > 0 {
		var c candidate
		c, h = heapPop(h)
		a := &nodes[c.at]
		if a.id != c.left || a.next >= n || nodes[a.next].id != c.right {
			continue
		}
		b := &nodes[a.next]
		a.id, a.next, b.id = c.id, b.next, -1
		if a.next < n {
			nodes[a.next].prev = c.at
		}
		push(a.prev)
		push(c.at)
	}
	s.heap = h
	symbols = symbols[:0]
	for i := int32(0); i < n; i = nodes[i].next {
		symbols = append(symbols, nodes[i].id)
	}
	return symbols
}

// heapPush and heapPop keep a binary heap with the first candidate on top.
func heapPush(h []candidate, c candidate) []candidate {
	h = append(h, c)
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !c.before(h[up]) {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = c
	return h
}

func heapPop(h []candidate) (candidate, []candidate) {
	top, last := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	if len(h) == 0 {
		return top, h
	}
	i := 0
	for {
		down := 2*i + 1
		if down >= len(h) {
			break
		}
		if down+1 < len(h) && h[down+1].before(h[down]) {
			down++
		}
		if !h[down].before(last) {
			break
		}
		h[i] = h[down]
		i = down
	}
	h[i] = last
	return top, h
}
