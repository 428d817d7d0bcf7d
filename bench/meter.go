package bench

import (
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Meter watches the machine while something is timed. Root is the root of the
// file system (os.DirFS("/")), of which proc and sys are read.
type Meter struct {
	Root fs.FS
}

// A Reading is what a Meter saw. Shares are of the time of all processors.
type Reading struct {
	Clock   float64 // of the fastest processor, Hz: the median over time; 0 = unknown
	Foreign float64 // share that processes other than ours took; NaN = unknown
	Steal   float64 // share that the hypervisor gave to other guests; NaN = unknown
}

// clockInterval is how often clocks are read.
const clockInterval = 100 * time.Millisecond

// Watch begins to watch. The returned function ends it and tells what was
// seen; it must be called once. Pids are the processes that are ours besides
// this one; they must live until then.
func (m Meter) Watch(pids ...int) (stop func() Reading) {
	if m.Root == nil {
		return func() Reading { return Reading{Foreign: math.NaN(), Steal: math.NaN()} }
	}
	before := m.usage(pids)
	quit := make(chan struct{})
	var clocks []float64
	var wg sync.WaitGroup
	wg.Go(func() {
		next := clockInterval / 10 // a short block has a reading too
		for {
			select {
			case <-quit:
				return
			case <-time.After(next):
				clocks = append(clocks, m.clock())
				next = clockInterval
			}
		}
	})
	return func() Reading {
		after := m.usage(pids)
		close(quit)
		wg.Wait()
		if len(clocks) == 0 {
			clocks = []float64{m.clock()}
		}
		r := after.since(before)
		r.Clock = Median(clocks)
		return r
	}
}

// usage is processor time since the system or the process started, in the
// kernel's ticks; ok is false where the system does not tell it.
type usage struct {
	total, busy, steal, ours float64
	ok                       bool
}

// least is the number of ticks below which a difference is not told from the
// rounding of the counters.
const least = 3

// since returns the shares between two readings.
func (u usage) since(before usage) Reading {
	total := u.total - before.total
	if !u.ok || !before.ok {
		return Reading{Foreign: math.NaN(), Steal: math.NaN()}
	}
	if total <= 0 {
		return Reading{} // shorter than a tick
	}
	foreign := (u.busy - before.busy) - (u.ours - before.ours)
	if foreign < least {
		foreign = 0
	}
	return Reading{Foreign: min(foreign/total, 1), Steal: (u.steal - before.steal) / total}
}

// usage reads proc/stat (user, nice, system, idle, iowait, irq, softirq, steal)
// and the user and system time of this process and pids.
func (m Meter) usage(pids []int) usage {
	f := strings.Fields(readLine(m.Root, "proc/stat"))
	if len(f) < 9 || f[0] != "cpu" {
		return usage{}
	}
	u := usage{ok: true}
	for i, s := range f[1:9] {
		n, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return usage{}
		}
		u.total += n
		switch i {
		case 3, 4: // idle, iowait
		case 7:
			u.steal = n
		default:
			u.busy += n
		}
	}
	names := []string{"self"}
	for _, pid := range pids {
		names = append(names, strconv.Itoa(pid))
	}
	for _, name := range names {
		ticks, ok := m.process(name)
		u.ours, u.ok = u.ours+ticks, u.ok && ok
	}
	return u
}

// process returns the ticks that a process took. Its name, in brackets, may hold
// spaces; user and system time are the 12th and 13th field after it.
func (m Meter) process(name string) (ticks float64, ok bool) {
	line := readLine(m.Root, "proc/"+name+"/stat")
	f := strings.Fields(line[strings.LastIndexByte(line, ')')+1:])
	if len(f) < 13 {
		return 0, false
	}
	user, err1 := strconv.ParseFloat(f[11], 64)
	system, err2 := strconv.ParseFloat(f[12], 64)
	return user + system, err1 == nil && err2 == nil
}

// clock returns the clock of the fastest processor in Hz; 0 when it is not told.
func (m Meter) clock() float64 {
	fastest := 0.0
	for i := 0; ; i++ {
		text := readLine(m.Root, path.Join("sys/devices/system/cpu", fmt.Sprintf("cpu%d", i), "cpufreq/scaling_cur_freq"))
		kHz, err := strconv.ParseFloat(text, 64)
		if err != nil {
			break
		}
		fastest = max(fastest, 1e3*kHz)
	}
	if fastest > 0 {
		return fastest
	}
	b, err := fs.ReadFile(m.Root, "proc/cpuinfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "cpu MHz" {
			if mhz, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil {
				fastest = max(fastest, 1e6*mhz)
			}
		}
	}
	return fastest
}

// The doubts that a reading can raise (protocol.md 2.1).
const (
	Throttled      = "throttled"       // the clock was below 75 % of the run's median
	ForeignProcess = "foreign-process" // others took 10 % of the processors' time or more
)

// Flags returns the doubts of each of the readings of one run.
func Flags(readings []Reading) [][]string {
	var clocks []float64
	for _, r := range readings {
		if r.Clock > 0 {
			clocks = append(clocks, r.Clock)
		}
	}
	usual := Median(clocks)
	flags := make([][]string, len(readings))
	for i, r := range readings {
		if r.Clock > 0 && r.Clock < 0.75*usual {
			flags[i] = append(flags[i], Throttled)
		}
		if r.Foreign+r.Steal >= 0.1 { // not so for NaN
			flags[i] = append(flags[i], ForeignProcess)
		}
		slices.Sort(flags[i])
	}
	return flags
}
