package latency

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// counter generates t+1 after t, and its clock says that call k takes k s.
type counter struct {
	calls int
	seen  []int
	fail  int // call that fails; 0 none
}

func (c *counter) Start(ctx context.Context, prompt []int) (int, error) {
	return c.Next(ctx, prompt[len(prompt)-1])
}

func (c *counter) Next(_ context.Context, token int) (int, error) {
	if c.calls++; c.calls == c.fail {
		return 0, errors.New("boom")
	}
	c.seen = append(c.seen, token)
	return token + 1, nil
}

func (c *counter) clock(f func() error) (time.Duration, error) {
	err := f()
	return time.Duration(c.calls) * time.Second, err
}

func TestOnce(t *testing.T) {
	c := &counter{}
	r, err := Once(context.Background(), c.clock, c, []int{7, 8}, 4)
	if err != nil {
		t.Fatal(err)
	}
	if r.TTFT != time.Second || !slices.Equal(r.ITL, []time.Duration{2 * time.Second, 3 * time.Second, 4 * time.Second}) {
		t.Errorf("got %+v, want 1 s and 2, 3, 4 s", r)
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
	bad := Options{Prompt: []int{0, 500}, New: 1, Blocks: 5, Runs: 0, Warmup: -1}
	var got []string
	for _, err := range bad.Check(400) {
		field, _, _ := strings.Cut(err.Error(), ":")
		got = append(got, field)
	}
	if want := []string{"prompt[0]", "prompt[1]", "new", "blocks", "runs", "warmup"}; !slices.Equal(got, want) {
		t.Errorf("faults in %v, want %v", got, want)
	}
}
