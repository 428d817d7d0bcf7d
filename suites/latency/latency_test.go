package latency

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// counter generates t+1 after t, and its clock says that call k of the clock
// takes k s.
type counter struct {
	calls int
	last  int
	seen  []int
	fail  int // call of the model that fails; 0 none
}

func (c *counter) Prefill(ctx context.Context, prompt []int) error {
	return c.Decode(ctx, prompt[len(prompt)-1])
}

func (c *counter) Decode(_ context.Context, token int) error {
	if c.seen = append(c.seen, token); len(c.seen) == c.fail {
		return errors.New("boom")
	}
	c.last = token
	return nil
}

func (c *counter) Sample() int { return c.last + 1 }

func (c *counter) clock(f func() error) (time.Duration, error) {
	c.calls++
	return time.Duration(c.calls) * time.Second, f()
}

func TestOnce(t *testing.T) {
	c := &counter{}
	r, err := Once(context.Background(), c.clock, c, []int{7, 8}, 4)
	if err != nil {
		t.Fatal(err)
	}
	if r.Prefill != time.Second || r.Sample != 2*time.Second || r.TTFT() != 3*time.Second ||
		!slices.Equal(r.ITL, []time.Duration{3 * time.Second, 4 * time.Second, 5 * time.Second}) {
		t.Errorf("got %+v, want 1 + 2 s and 3, 4, 5 s", r)
	}
	if !slices.Equal(c.seen, []int{8, 9, 10, 11}) {
		t.Errorf("fed %v: each sampled id must be fed back", c.seen)
	}
	for fail := 1; fail <= 3; fail++ {
		c := &counter{fail: fail}
		if _, err := Once(context.Background(), c.clock, c, []int{1}, 4); err == nil {
			t.Errorf("call %d failed, no error", fail)
		}
	}
}

func TestCheck(t *testing.T) {
	if errs := DefaultOptions.Check(2048); errs != nil {
		t.Error(errs)
	}
	bad := Options{Prompt: []int{0, 500}, New: 1, Blocks: 5, MaxBlocks: 4, Budget: -1, Launches: 7, Runs: 0, Warmup: -1}
	var got []string
	for _, err := range bad.Check(400) {
		field, _, _ := strings.Cut(err.Error(), ":")
		got = append(got, field)
	}
	if want := []string{"prompt[0]", "prompt[1]", "new", "blocks", "max_blocks", "budget", "launches", "runs", "warmup"}; !slices.Equal(got, want) {
		t.Errorf("faults in %v, want %v", got, want)
	}
}
