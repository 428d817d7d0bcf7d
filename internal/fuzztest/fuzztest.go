// Package fuzztest holds the bounds that every reader of foreign files keeps,
// for tests: how much it may allocate and how long it may take.
package fuzztest

import (
	"runtime"
	"testing"
	"time"
)

// What a reader of a file may allocate: Factor times the file and Slack more.
const (
	Factor = 4
	Slack  = 64 << 20 // bytes
)

// limit is the time after which a call counts as hung. It is counted in ticks,
// so that the time for which a process was stopped is left out.
const (
	limit = 60 * time.Second
	tick  = time.Second
)

// Bounded calls f, which is to read size bytes of a file, and fails the test
// if f allocates more than Factor·size + Slack bytes. Counted is everything
// that f allocates, what it drops again included, so the bound holds for the
// largest allocation and for the bytes in use at any time too. A call that
// hangs ends the process, whereupon go test -fuzz keeps the input. No other
// goroutine may allocate meanwhile.
func Bounded(t testing.TB, size int, f func()) {
	t.Helper()
	done := make(chan struct{})
	go watch(done)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	close(done)
	if got, most := after.TotalAlloc-before.TotalAlloc, uint64(Factor*size+Slack); got > most {
		t.Errorf("%d bytes were allocated for a file of %d bytes, want at most %d", got, size, most)
	}
}

// watch panics unless done is closed within the limit.
func watch(done <-chan struct{}) {
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	for range limit / tick {
		select {
		case <-done:
			return
		case <-ticks.C:
		}
	}
	panic("fuzztest: the call hangs")
}
