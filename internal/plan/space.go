package plan

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// WantsMoments reports whether a suite asks for the uncompressed model's second
// moments.
func (p *Plan) WantsMoments() bool {
	return len(p.Cases) > 0 && slices.ContainsFunc(p.Suites, wantsMoments)
}

// CacheBytes estimates what the run adds to the cache.
func (p *Plan) CacheBytes() int64 {
	var n int64
	for _, c := range p.Cases {
		if !p.Env.Cached(c) {
			n += p.Env.ArtefactBytes(c)
		}
	}
	if p.WantsMoments() {
		if _, ok := p.Env.Cache.Lookup("moments", p.Env.MomentsKey(*p.Context.Calibration())); !ok {
			n += p.Env.Model.MomentsBytes()
		}
	}
	return n
}

// CacheNeeds estimates what the run has open in the cache at once: the moments
// and, where times are taken of all cases in turn, all artefacts; else the
// largest.
func (p *Plan) CacheNeeds() int64 {
	timing := slices.ContainsFunc(p.Suites, func(s Suite) bool { return s.Timing })
	var sum, largest int64
	for _, c := range p.Cases {
		n := p.Env.ArtefactBytes(c)
		sum += n
		largest = max(largest, n)
	}
	n := largest
	if timing {
		n = sum
	}
	if p.WantsMoments() {
		n += p.Env.Model.MomentsBytes()
	}
	return n
}

// CheckLimit reports a limit of the cache that the run cannot keep.
func (p *Plan) CheckLimit() error {
	limit, want := p.Env.Cache.Limit, p.CacheNeeds()
	if limit <= 0 || want <= limit {
		return nil
	}
	return fmt.Errorf("%s: the run needs about %d bytes of the cache at once, the limit is %d; raise --cache-limit, or choose fewer cases with --cases", p.Scenario.Name, want, limit)
}

// CheckSpace tries to write where the run will write, and compares what the
// cache needs with what is free. Errors name the path and the remedy.
func (p *Plan) CheckSpace(records string) error {
	var errs []error
	cache := p.Env.Cache.Dir
	want := p.CacheBytes()
	if want > 0 {
		if err := tryWrite(cache); err != nil {
			errs = append(errs, fmt.Errorf("the cache %s cannot be written (%d bytes are wanted): %w; name another with --cache DIR", cache, want, err))
		} else if free, ok := FreeBytes(cache); ok && free < want {
			errs = append(errs, fmt.Errorf("the cache %s: %d bytes are wanted, %d are free; make room or name another place with --cache DIR", cache, want, free))
		}
	}
	errs = append(errs, p.CheckLimit())
	if info, err := os.Stat(records); err == nil && !info.Mode().IsRegular() {
		errs = append(errs, fmt.Errorf("the records file %s is no ordinary file (%s); name another with -o FILE", records, info.Mode()))
	} else if err := tryWrite(filepath.Dir(records)); err != nil {
		errs = append(errs, fmt.Errorf("the records file %s cannot be written: %w; name another with -o FILE", records, err))
	}
	return errors.Join(errs...)
}

func tryWrite(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "tmp-write-*")
	if err != nil {
		return err
	}
	_, err = f.Write([]byte("x"))
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}
