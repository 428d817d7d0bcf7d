package fuzztest

import "testing"

// recorder is a test that remembers its fault.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.failed = true }

var sink []byte

// TestBounded allocates a little less and a little more than is allowed, in
// one piece and in pieces that are garbage at once.
func TestBounded(t *testing.T) {
	for _, c := range []struct {
		size, pieces, bytes int
		failed              bool
	}{
		{0, 1, Slack - 1<<16, false},
		{0, 1, Slack + 1<<13, true},
		{1 << 20, 1, Slack + 4<<20 - 1<<16, false},
		{0, 1<<10 + 1, Slack >> 10, true},
	} {
		r := &recorder{TB: t}
		Bounded(r, c.size, func() {
			for range c.pieces {
				sink = make([]byte, c.bytes)
			}
		})
		if r.failed != c.failed {
			t.Errorf("%d × %d bytes for a file of %d: failed %v, want %v", c.pieces, c.bytes, c.size, r.failed, c.failed)
		}
	}
	sink = nil
}
