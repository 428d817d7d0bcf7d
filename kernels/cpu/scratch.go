package cpu

import "sync"

// pool keeps scratch memory between calls.
var pool sync.Pool

// scratch returns n values of any content, to be given back with release.
func scratch(n int) *[]float32 {
	if p, ok := pool.Get().(*[]float32); ok && cap(*p) >= n {
		*p = (*p)[:n]
		return p
	}
	s := make([]float32, n)
	return &s
}

// release gives scratch memory back.
func release(p *[]float32) { pool.Put(p) }
