package kernelspeed

import (
	"fmt"
	"time"

	"github.com/sketchbench/sketchbench/kernels"
)

// peaks measures the limits of the device.
type peaks struct {
	Machine
	memory kernels.Buffer // beyond the last cache
	cold   int            // samples so far
	fma    int
	steps  int // of one sample of multiply-adds; 0 until it is known
}

// How a limit is sampled before each shape.
const (
	peakSamples = 3
	peakTime    = 2 * time.Millisecond // of one sample, one pass at least
	firstSteps  = 10_000
)

// newPeaks allocates the memory to be read, as much as a cold product cycles
// through, and writes to all of it: pages that were never written may be one.
func newPeaks(m Machine) (*peaks, error) {
	n := int(m.coldBytes()/4) + 1
	buf, err := m.Device.NewBuffer(n)
	if err != nil {
		return nil, err
	}
	ones := make([]float32, min(n, 1<<18))
	for i := range ones {
		ones[i] = 1
	}
	for i := 0; i < n; i += len(ones) {
		m.Device.Write(buf.Slice(i, min(i+len(ones), n)), ones[:min(len(ones), n-i)])
	}
	return &peaks{Machine: m, memory: buf}, nil
}

// measure emits samples of the limits: reading memory, multiply-adds, and, if
// hot, reading as many bytes again and again as a matrix of the shape takes.
func (p *peaks) measure(s Shape, hot bool, bytes int64, emit func(Value) error) error {
	emitRate := func(metric, item string, work float64, d time.Duration, sample int) error {
		return emit(Value{Metric: metric, Item: item, Value: work / d.Seconds(), Sample: sample})
	}
	for range peakSamples {
		d, err := p.repeat(1, func() { p.Device.Stream(p.memory, p.memory.Len()) })
		if err == nil {
			err = emitRate("read_peak", Cold, 4*float64(p.memory.Len()), d, p.cold)
		}
		if err != nil {
			return err
		}
		p.cold++
	}
	if hot {
		n := max(1, int(bytes/4))
		read := func() { p.Device.Stream(p.memory, n) }
		once, err := p.repeat(1, read)
		for i := 0; i < peakSamples && err == nil; i++ {
			passes := callsIn(peakTime, once)
			var d time.Duration
			if d, err = p.repeat(passes, read); err == nil {
				err = emitRate("read_peak", fmt.Sprintf("%v,%s", s, Hot), 4*float64(n)*float64(passes), d, i)
			}
		}
		if err != nil {
			return err
		}
	}
	return p.multiplyAdds(emitRate)
}

// multiplyAdds emits samples of the rate of multiply-adds.
func (p *peaks) multiplyAdds(emitRate func(metric, item string, work float64, d time.Duration, sample int) error) error {
	if p.steps == 0 {
		d, err := p.repeat(1, func() { p.Device.MultiplyAdd(firstSteps) })
		if err != nil {
			return err
		}
		p.steps = firstSteps * callsIn(peakTime, d)
	}
	for range peakSamples {
		var flops float64
		d, err := p.repeat(1, func() { flops = p.Device.MultiplyAdd(p.steps) })
		if err == nil {
			err = emitRate("fma_peak", "", flops, d, p.fma)
		}
		if err != nil {
			return err
		}
		p.fma++
	}
	return nil
}

// repeat times n calls of f, the wait for the device included. A clock that
// does not move meanwhile has gone one nanosecond.
func (m Machine) repeat(n int, f func()) (time.Duration, error) {
	d, err := m.Clock(func() error {
		for range n {
			f()
		}
		return m.Device.Sync()
	})
	return max(d, 1), err
}
