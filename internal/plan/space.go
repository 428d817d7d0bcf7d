package plan

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// CacheBytes estimates what the run adds to the cache.
func (p *Plan) CacheBytes() int64 {
	var n int64
	for _, c := range p.Cases {
		if !p.Env.Cached(c) {
			n += p.Env.ArtefactBytes(c)
		}
	}
	if len(p.Cases) > 0 && slices.ContainsFunc(p.Suites, wantsMoments) {
		if _, ok := p.Env.Cache.Lookup("moments", p.Env.MomentsKey(*p.Context.Calibration())); !ok {
			n += p.Env.Model.MomentsBytes()
		}
	}
	return n
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
