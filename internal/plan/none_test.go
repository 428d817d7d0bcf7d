package plan

import (
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/scenarios"
)

const kernelsOnly = `name: x
model: none
methods:
  - dense
  - {name: sketchtune, bits: [4, 2]}
  - {name: ultrasketch, bits: 1}
suites:
  - {name: kernelspeed, shapes: [64x128, 256x512], batch: [1, 16], blocks: 8, time: 100ms}
`

func planOf(t *testing.T, text string) *Plan {
	t.Helper()
	s, err := scenarios.Parse([]byte(text), "x.yaml", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p, err := Make(s, Settings{Cache: t.TempDir(), Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// TestNoModel: methods that calibrate need no text where there is nothing to
// calibrate; nothing is cached; the guess holds the time that is asked for.
func TestNoModel(t *testing.T) {
	p := planOf(t, kernelsOnly)
	if len(p.Cases) != 4 || p.CacheBytes() != 0 || p.Baseline != "dense" {
		t.Errorf("%d cases, %d bytes for the cache, baseline %q", len(p.Cases), p.CacheBytes(), p.Baseline)
	}
	total := 0.0
	for i, s := range p.Steps() {
		if s.Suite == "" && (s.Guess != 0 || !s.Cached) {
			t.Errorf("step %d: opening a case takes %v", i, s.Guess)
		}
		total += s.Guess.Seconds()
	}
	// 4 cases, 2 shapes, 2 batches, cold and hot, 8 blocks of 0.1 s; products as
	// small as these take next to nothing beyond.
	if least := 4 * 2 * 2 * 2 * 8 * 0.1; total < least || total > 1.5*least {
		t.Errorf("a guess of %.1f s, want about %.1f", total, least)
	}
	if lock := string(p.Lock()); strings.Contains(lock, "sha256") || !strings.Contains(lock, `model: "none"`) {
		t.Errorf("lock:\n%s", lock)
	}
	ids := map[string]bool{}
	for _, c := range p.Cases {
		ids[c.ID] = true
	}
	if len(ids) != 4 {
		t.Errorf("%d ids of 4 cases", len(ids))
	}
}
