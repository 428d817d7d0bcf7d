// Package memory reads what a process holds in memory while it works. What a
// model stores is counted from its artefact, not measured.
package memory

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// A Peak is the most memory that a process held, in bytes.
type Peak struct {
	// Anon is the largest sampled anonymous resident size (RssAnon): heap and
	// stacks, without file-backed pages such as a memory-mapped checkpoint.
	Anon int64 `json:"peak_anon"`
	// VmHWM is the kernel's own high-water mark of the resident size,
	// file-backed pages included.
	VmHWM   int64 `json:"vmhwm"`
	Samples int   `json:"samples"`
}

// Status reads RssAnon and VmHWM of this process from /proc/self/status.
func Status() (anon, hwm int64, err error) { return readStatus("/proc/self/status") }

func readStatus(path string) (anon, hwm int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, fmt.Errorf("this system does not tell a process's memory: %w", err)
	}
	defer f.Close()
	anon, hwm = -1, -1
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		key, rest, _ := strings.Cut(sc.Text(), ":")
		var to *int64
		switch key {
		case "RssAnon":
			to = &anon
		case "VmHWM":
			to = &hwm
		default:
			continue
		}
		kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %s is %q, want a number of kB", path, key, rest)
		}
		*to = kb << 10
	}
	if err := sc.Err(); err != nil {
		return 0, 0, fmt.Errorf("%s: %w", path, err)
	}
	if anon < 0 || hwm < 0 {
		return 0, 0, fmt.Errorf("%s: RssAnon or VmHWM is missing", path)
	}
	return anon, hwm, nil
}

// Watch runs f and samples this process's memory every interval, and once
// before and after.
func Watch(interval time.Duration, f func() error) (Peak, error) {
	return watch(interval, Status, f)
}

func watch(interval time.Duration, status func() (anon, hwm int64, err error), f func() error) (Peak, error) {
	var p Peak
	sample := func() error {
		anon, hwm, err := status()
		p.Anon, p.VmHWM = max(p.Anon, anon), max(p.VmHWM, hwm)
		p.Samples++
		return err
	}
	if err := sample(); err != nil {
		return p, err
	}
	stop, done := make(chan struct{}), make(chan error)
	go func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				done <- sample()
				return
			case <-tick.C:
				if err := sample(); err != nil {
					<-stop
					done <- err
					return
				}
			}
		}
	}()
	err := f()
	close(stop)
	if sampleErr := <-done; err == nil {
		err = sampleErr
	}
	return p, err
}
