// Package bench is the instrument: warm-up, the rule that ends repetition, the
// order of blocks and their launches, the clock, and what is told of the
// machine. It knows no models and computes no result, only when to stop.
package bench

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// A Clock measures one run of f. A GPU clock waits for the device on both
// sides, since launches return before kernels finish.
type Clock func(f func() error) (time.Duration, error)

// WallClock is the Clock of a device whose work is done when f returns.
func WallClock(f func() error) (time.Duration, error) {
	start := time.Now()
	err := f()
	return time.Since(start), err
}

// Warmup says when untimed runs have settled: after at least Min runs, once the
// median of the last Window runs differs from that of the Window runs before them by less
// than Tolerance, or when the runs have taken Cap together.
type Warmup struct {
	Min       int
	Window    int
	Tolerance float64 // relative
	Cap       time.Duration
}

// DefaultWarmup is the rule of protocol.md 2.1.
var DefaultWarmup = Warmup{Min: 5, Window: 5, Tolerance: 0.01, Cap: 30 * time.Second}

// Warmed is what a warm-up did.
type Warmed struct {
	Runs    int
	Spent   time.Duration // sum of the runs
	Settled bool          // false: Cap ended it
	Last    float64       // relative change of the median when it ended; NaN when never known
}

// Run runs f until w is satisfied. It ends early when ctx is done or f fails.
func (w Warmup) Run(ctx context.Context, clock Clock, f func() error) (Warmed, error) {
	var times []float64
	done := Warmed{Last: math.NaN()}
	for {
		if err := ctx.Err(); err != nil {
			return done, err
		}
		d, err := clock(f)
		if err != nil {
			return done, err
		}
		times = append(times, d.Seconds())
		done.Runs++
		done.Spent += d
		if n := len(times); n >= 2*w.Window && w.Window > 0 {
			done.Last = math.Abs(Median(times[n-w.Window:])/Median(times[n-2*w.Window:n-w.Window]) - 1)
		}
		done.Settled = done.Runs >= w.Min && (done.Last < w.Tolerance || w.Window <= 0)
		if done.Settled || done.Spent >= w.Cap {
			return done, nil
		}
	}
}

// StopRule says when enough has been measured: when the 95 % order-statistic
// interval of the median has a half-width of at most HalfWidth times the median,
// or at one of the ceilings. The ceilings are declared before the first run;
// significance of a difference plays no part.
type StopRule struct {
	HalfWidth float64       // relative
	MaxRuns   int           // ceiling of runs; 0 = none
	Budget    time.Duration // ceiling of time; 0 = none
	Noun      string        // what runs are called in texts; "runs" if empty
}

// Stop tells whether to stop after samples, which took spent. When a ceiling ended it,
// unmet says which criterion was missed and by how much.
func (s StopRule) Stop(samples []float64, spent time.Duration) (stop bool, unmet string) {
	return s.StopAll([][]float64{samples}, spent)
}

// StopAll is Stop for several series, all of which must meet the criterion. A
// series that has no sample at all is left out.
func (s StopRule) StopAll(series [][]float64, spent time.Duration) (stop bool, unmet string) {
	noun := cmp.Or(s.Noun, "runs")
	worst, runs := 0.0, 0
	for _, samples := range series {
		runs = max(runs, len(samples))
		h, ok := relativeHalfWidth(samples)
		switch {
		case ok:
			worst = max(worst, h)
		case len(samples) > 0:
			worst = math.Inf(1)
		}
	}
	if worst <= s.HalfWidth && runs > 0 {
		return true, ""
	}
	have := fmt.Sprintf("%.2g %%", 100*worst)
	switch {
	case worst >= 0.1 && !math.IsInf(worst, 1):
		have = fmt.Sprintf("%.0f %%", 100*worst)
	case math.IsInf(worst, 1):
		have = "no interval below 6 " + noun
	}
	var ceiling string
	switch {
	case s.MaxRuns > 0 && runs >= s.MaxRuns:
		ceiling = fmt.Sprintf("%d %s", s.MaxRuns, noun)
	case s.Budget > 0 && spent >= s.Budget:
		ceiling = s.Budget.String()
	default:
		return false, ""
	}
	return true, fmt.Sprintf("relative half-width of the median's 95 %% interval: %s, want at most %.2g %%, when %s were spent (%d %s)",
		have, 100*s.HalfWidth, ceiling, runs, noun)
}

// Blocks returns the order of cases in each of so many randomised complete
// blocks: every row is a permutation of 0..cases-1, so that a drift of the machine
// meets all cases alike. It is a function of its arguments, and the first blocks do not
// depend on their number.
func Blocks(seed uint64, cases, blocks int) [][]int {
	rng := rand.New(rand.NewPCG(seed, 0x626c6f636b73)) // "blocks"
	orders := make([][]int, blocks)
	for b := range orders {
		orders[b] = rng.Perm(cases)
	}
	return orders
}

// Launch returns the launch that block b belongs to: the first blocks are cut
// into so many launches of about equal size, further ones into launches of the
// largest such size.
func Launch(b, blocks, launches int) int {
	if b < blocks {
		return b * launches / blocks
	}
	size := (blocks + launches - 1) / launches
	return launches + (b-blocks)/size
}

// Median returns the median of xs, which it does not change; NaN without any.
func Median(xs []float64) float64 {
	s := slices.Sorted(slices.Values(xs))
	n := len(s)
	if n == 0 {
		return math.NaN()
	}
	return (s[(n-1)/2] + s[n/2]) / 2
}

// relativeHalfWidth returns half the width of the 95 % order-statistic interval of the
// median over the median; false when there are too few xs for an interval.
func relativeHalfWidth(xs []float64) (float64, bool) {
	l := medianRank(len(xs))
	if l == 0 {
		return 0, false
	}
	s := slices.Sorted(slices.Values(xs))
	return (s[len(s)-l] - s[l-1]) / 2 / Median(s), true
}

// medianRank returns the largest rank l, from 1, such that the l-th smallest and
// the l-th largest of n values enclose the median with probability at least 0.95:
// 2·P(Bin(n,½) < l) <= 0.05. It is 0 for n < 6, where there is none.
func medianRank(n int) int {
	lgN, _ := math.Lgamma(float64(n + 1))
	tail := 0.0 // P(Bin(n,½) < l)
	for l := 0; ; l++ {
		a, _ := math.Lgamma(float64(l + 1))
		b, _ := math.Lgamma(float64(n - l + 1))
		tail += math.Exp(lgN - a - b - float64(n)*math.Ln2)
		if 2*tail > 0.05 {
			return l
		}
	}
}
