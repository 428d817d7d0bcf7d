package bench

import (
	"fmt"
	"io/fs"
	"math"
	"reflect"
	"sync/atomic"
	"testing"
	"testing/fstest"
)

// moving is a file system whose proc/stat and processes are those of before
// until the first reading, then those of after.
type moving struct {
	before, after fstest.MapFS
	reads         atomic.Int32
}

func (m *moving) Open(name string) (fs.File, error) {
	if name == "proc/stat" {
		m.reads.Add(1)
	}
	if m.reads.Load() <= 1 {
		return m.before.Open(name)
	}
	return m.after.Open(name)
}

// machine is a system with these ticks; processes 1 and self have the name of
// a program with a bracket in it.
func machine(user, idle, steal, self, child int, cpuinfo string) fstest.MapFS {
	file := func(format string, args ...any) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(fmt.Sprintf(format, args...))}
	}
	return fstest.MapFS{
		"proc/stat":      file("cpu  %d 0 0 %d 0 0 0 %d 0 0\ncpu0 1 2 3 4\n", user, idle, steal),
		"proc/self/stat": file("9 (a) b) S 1 1 1 0 -1 0 0 0 0 0 %d 0 0 0 20 0 1\n", self),
		"proc/1/stat":    file("1 (x) R 1 1 1 0 -1 0 0 0 0 0 0 %d 0 0 20 0 1\n", child),
		"proc/cpuinfo":   file("%s", cpuinfo),
	}
}

func TestMeter(t *testing.T) {
	const info = "processor\t: 0\ncpu MHz\t\t: 1000.5\nprocessor\t: 1\ncpu MHz\t\t: 2000.0\n"
	// Of 200 ticks 100 are busy, 10 ours and 50 the child's; 20 are stolen.
	m := &moving{before: machine(1000, 500, 7, 100, 200, info), after: machine(1100, 580, 27, 110, 250, info)}
	if got, want := (Meter{m}).Watch(1)(), (Reading{Clock: 2e9, Foreign: 0.2, Steal: 0.1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	// Two ticks are not told from rounding.
	m = &moving{before: machine(1000, 500, 0, 0, 0, ""), after: machine(1002, 520, 0, 0, 0, "")}
	m.before["sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"] = &fstest.MapFile{Data: []byte("1500000\n")}
	m.after["sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"] = m.before["sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"]
	if got, want := (Meter{m}).Watch()(), (Reading{Clock: 1.5e9}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	for _, root := range []fs.FS{nil, fstest.MapFS{}} {
		if got := (Meter{root}).Watch(1)(); got.Clock > 0 || !math.IsNaN(got.Foreign) || !math.IsNaN(got.Steal) {
			t.Errorf("a system that tells nothing: %+v", got)
		}
	}
}

func TestReadingFlags(t *testing.T) {
	unknown := Reading{Foreign: math.NaN(), Steal: math.NaN()}
	got := Flags([]Reading{{Clock: 4e9}, {Clock: 4e9, Foreign: 0.05, Steal: 0.05}, {Clock: 2.9e9, Foreign: 0.09}, {Clock: 3.1e9}, unknown, {Clock: 2e9, Foreign: 1}})
	// The median of 4, 4, 2.9, 3.1 and 2 GHz is 3.1, three quarters of it 2.3.
	want := [][]string{nil, {ForeignProcess}, nil, nil, nil, {ForeignProcess, Throttled}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
