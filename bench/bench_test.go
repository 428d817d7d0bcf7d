package bench

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// script is a Clock that does not measure: run k takes the k-th of its times, the
// last one for ever.
func script(seconds ...float64) Clock {
	k := 0
	return func(f func() error) (time.Duration, error) {
		err := f()
		d := seconds[min(k, len(seconds)-1)]
		k++
		return time.Duration(d * float64(time.Second)), err
	}
}

func nothing() error { return nil }

func TestWarmup(t *testing.T) {
	rule := Warmup{Min: 5, Window: 5, Tolerance: 0.01, Cap: 30 * time.Second}
	for _, tt := range []struct {
		name    string
		rule    Warmup
		times   []float64
		runs    int
		settled bool
	}{
		// Two windows of five are needed before medians can be compared.
		{"steady", rule, []float64{1}, 10, true},
		// After 10 runs: medians 2, 1 (50 %). The window before must be past the five slow
		// runs by its median: three of the five fast, that is run 5+3+5.
		{"slow start", rule, []float64{2, 2, 2, 2, 2, 1}, 13, true},
		// 1 % more each run: medians five apart differ by 5 %; 1 s + … reaches 30 s in
		// the 27th run: Σ 1.01^k, k < n = (1.01^n-1)/0.01: 29.5 at 26, 30.8 at 27.
		{"drift", rule, geometric(1.01, 40), 27, false},
		{"cap in the first run", rule, []float64{31}, 1, false},
		{"least number", Warmup{Min: 12, Window: 5, Tolerance: 0.01, Cap: time.Minute}, []float64{1}, 12, true},
		{"no windows", Warmup{Min: 2, Cap: time.Minute}, []float64{1, 2}, 2, true},
	} {
		got, err := tt.rule.Run(t.Context(), script(tt.times...), nothing)
		if err != nil || got.Runs != tt.runs || got.Settled != tt.settled {
			t.Errorf("%s: %+v, %v; want %d runs, settled %v", tt.name, got, err, tt.runs, tt.settled)
		}
	}
}

func geometric(q float64, n int) []float64 {
	xs := []float64{1}
	for len(xs) < n {
		xs = append(xs, xs[len(xs)-1]*q)
	}
	return xs
}

// take feeds a stopping rule one more sample at a time, each of which takes
// its own time, until it stops.
func take(rule StopRule, samples ...float64) (n int, unmet string) {
	spent := time.Duration(0)
	for n = 1; ; n++ {
		spent += time.Duration(samples[n-1] * float64(time.Second))
		if stop, unmet := rule.Stop(samples[:n], spent); stop {
			return n, unmet
		}
	}
}

func TestStopRule(t *testing.T) {
	ones := slices.Repeat([]float64{1}, 100)
	for _, tt := range []struct {
		name  string
		stop  StopRule
		times []float64
		n     int
		unmet string
	}{
		// Six equal times have an interval of width 0; five have none.
		{"met at once", StopRule{HalfWidth: 0.01, MaxRuns: 100}, ones, 6, ""},
		// Between n = 6 and 8 the interval is the whole range, half-width 0.5/1.5 or 0.5;
		// from n = 9 it leaves out one value at each end: the single 2 s.
		{"one slow run", StopRule{HalfWidth: 0.01, MaxRuns: 100}, append([]float64{2}, ones...), 9, ""},
		{"ceiling of runs", StopRule{HalfWidth: 0.01, MaxRuns: 4}, ones, 4,
			"relative half-width of the median's 95 % interval: no interval below 6 runs, want at most 1 %, when 4 runs were spent (4 runs)"},
		// Half the range of 1, 1, 1, 2, 2, 2 over the median 1.5.
		{"budget", StopRule{HalfWidth: 0.01, Budget: 9 * time.Second, Noun: "blocks"}, []float64{1, 1, 1, 2, 2, 2}, 6,
			"relative half-width of the median's 95 % interval: 33 %, want at most 1 %, when 9s were spent (6 blocks)"},
	} {
		if n, unmet := take(tt.stop, tt.times...); n != tt.n || unmet != tt.unmet {
			t.Errorf("%s: %d runs, unmet %q\nwant %d, %q", tt.name, n, unmet, tt.n, tt.unmet)
		}
	}
	rule := StopRule{HalfWidth: 0.01, MaxRuns: 100}
	steady, wide := ones[:6], []float64{1, 1, 1, 2, 2, 2}
	for _, tt := range []struct {
		series [][]float64
		stop   bool
	}{
		{[][]float64{steady, steady}, true}, {[][]float64{steady, wide}, false}, {[][]float64{wide, steady}, false},
		{[][]float64{steady, nil}, true}, {[][]float64{steady, ones[:5]}, false}, {nil, false},
	} {
		if stop, _ := rule.StopAll(tt.series, 0); stop != tt.stop {
			t.Errorf("%v: stop %v", tt.series, stop)
		}
	}
}

// TestLaunch cuts blocks into launches whose sizes differ by one at most, and
// further blocks into launches of the largest size.
func TestLaunch(t *testing.T) {
	for _, tt := range []struct {
		blocks, launches int
		want             []int
	}{
		{8, 3, []int{0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 4}},
		{9, 4, []int{0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 5}},
		{6, 6, []int{0, 1, 2, 3, 4, 5, 6, 7}},
		{6, 1, []int{0, 0, 0, 0, 0, 0, 1}},
	} {
		var got []int
		for b := range tt.want {
			got = append(got, Launch(b, tt.blocks, tt.launches))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%d blocks in %d launches: %v, want %v", tt.blocks, tt.launches, got, tt.want)
		}
	}
}

func TestWallClock(t *testing.T) {
	d, err := WallClock(func() error { time.Sleep(3 * time.Millisecond); return nil })
	if d < 3*time.Millisecond || err != nil {
		t.Errorf("3 ms of sleep took %v, %v", d, err)
	}
}

func TestBlocks(t *testing.T) {
	const cases, blocks = 5, 400
	orders := Blocks(7, cases, blocks)
	var first [cases]int
	for b, order := range orders {
		if s := slices.Sorted(slices.Values(order)); !slices.Equal(s, []int{0, 1, 2, 3, 4}) {
			t.Fatalf("block %d: %v is no permutation", b, order)
		}
		first[order[0]]++
	}
	// Each case comes first in a block with probability 1/5: 80 of 400, standard
	// deviation 8; the seed is fixed, so five of them are no flake.
	for c, n := range first {
		if math.Abs(float64(n)-80) > 40 {
			t.Errorf("case %d is first in %d of %d blocks", c, n, blocks)
		}
	}
	again, other := Blocks(7, cases, 6), Blocks(8, cases, 6)
	same := true
	for b := range again {
		if !slices.Equal(again[b], orders[b]) {
			t.Errorf("block %d: %v of 6 blocks, %v of %d", b, again[b], orders[b], blocks)
		}
		same = same && slices.Equal(again[b], other[b])
	}
	if same {
		t.Error("two seeds give the same orders")
	}
}

func TestMedianRank(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "results", "summary", "testdata", "stats.json"))
	if err != nil {
		t.Fatal(err)
	}
	var ref struct {
		Ranks struct{ Rows []struct{ N, L int } } `json:"median_ci_ranks"`
	}
	if err := json.Unmarshal(b, &ref); err != nil || len(ref.Ranks.Rows) == 0 {
		t.Fatalf("%d rows, %v", len(ref.Ranks.Rows), err)
	}
	for _, row := range ref.Ranks.Rows {
		if l := medianRank(row.N); l != row.L {
			t.Errorf("n = %d: rank %d, scipy %d", row.N, l, row.L)
		}
	}
	for n := range 6 {
		if l := medianRank(n); l != 0 {
			t.Errorf("n = %d: rank %d, want none", n, l)
		}
	}
}

func TestReadEnvironment(t *testing.T) {
	root := fstest.MapFS{
		"proc/meminfo":              {Data: []byte("MemTotal:       16384 kB\nMemFree:         1 kB\n")},
		"proc/loadavg":              {Data: []byte("0.25 1.50 2.00 1/123 4567\n")},
		"proc/sys/kernel/osrelease": {Data: []byte("6.1.0-test\n")},
		"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": {Data: []byte("performance\n")},
	}
	e := ReadEnvironment(root)
	if e.Memory != 16<<20 || e.Load != (Load{0.25, 1.5, 2}) || e.Kernel != "6.1.0-test" || e.Governor != "performance" {
		t.Errorf("%+v", e)
	}
	if e.Threads < 1 || !strings.HasPrefix(e.GoVersion, "go") || e.GOMAXPROCS < 1 {
		t.Errorf("%+v", e)
	}
	if none := ReadEnvironment(fstest.MapFS{}); none.Memory != 0 || none.Load != (Load{}) || none.Governor != "" {
		t.Errorf("empty file system: %+v", none)
	}
}

func TestIdentity(t *testing.T) {
	h := Hardware{CPU: "x", Memory: 5<<30 + 17}
	id := h.Identity()
	same, other := h, h
	same.Memory += 4096 // the same GiB
	other.L3 = 1
	if len(id) != 12 || same.Identity() != id || other.Identity() == id {
		t.Errorf("identities %s, %s, %s: want the first two equal, 12 digits", id, same.Identity(), other.Identity())
	}
}
