package stage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A Usage is what a cache folder holds.
type Usage struct {
	Bytes      int64 `json:"bytes"`      // of everything in it
	Entries    int   `json:"entries"`    // finished ones
	Unfinished int   `json:"unfinished"` // tmp-* folders, of living or dead processes
	Corrupt    int   `json:"corrupt"`    // entries that were set aside
	Fresh      int   `json:"fresh"`      // caches of single processes, see Fresh
}

// held is a folder that Trim may delete.
type held struct {
	path    string
	bytes   int64
	used    time.Time
	corrupt bool
}

// Usage measures the folder. One that is not there is empty.
func (c Cache) Usage() (Usage, error) {
	u, _, err := c.survey()
	return u, err
}

// survey measures the folder and lists what Trim may delete. Files that go
// away meanwhile are no fault.
func (c Cache) survey() (u Usage, list []held, err error) {
	tops, err := os.ReadDir(c.Dir)
	if err != nil {
		return u, nil, ignoreAbsent(err)
	}
	for _, top := range tops {
		path := filepath.Join(c.Dir, top.Name())
		if strings.HasPrefix(top.Name(), freshPrefix) {
			u.Fresh++
		}
		if !top.IsDir() || !stageName.MatchString(top.Name()) || strings.HasPrefix(top.Name(), freshPrefix) {
			n, err := treeBytes(path)
			if err != nil {
				return u, nil, err
			}
			u.Bytes += n
			continue
		}
		found, err := os.ReadDir(path)
		if ignoreAbsent(err) != nil {
			return u, nil, err
		}
		for _, f := range found {
			h := held{path: filepath.Join(path, f.Name())}
			if h.bytes, err = treeBytes(h.path); err != nil {
				return u, nil, err
			}
			u.Bytes += h.bytes
			switch {
			case IsEntry(h.path):
				u.Entries++
			case tmpName.MatchString(f.Name()):
				u.Unfinished++
				continue
			case strings.HasPrefix(f.Name(), "corrupt-"):
				u.Corrupt++
				h.corrupt = true
			default:
				continue
			}
			h.used = lastUse(h.path)
			list = append(list, h)
		}
	}
	return u, list, nil
}

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// lastUse is the time of an entry's marker, else of its folder.
func lastUse(path string) time.Time {
	for _, p := range []string{filepath.Join(path, usedFile), path} {
		if info, err := os.Stat(p); err == nil {
			return info.ModTime()
		}
	}
	return time.Time{}
}

// treeBytes sums the sizes of all files at and below path.
func treeBytes(path string) (n int64, err error) {
	err = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return ignoreAbsent(err)
		}
		if d.IsDir() {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return ignoreAbsent(err)
		}
		n += info.Size()
		return nil
	})
	return n, err
}

// Trim deletes what was set aside as corrupt, and then finished entries, the
// least recently used first, until the folder with bytes more in it keeps
// within Limit. Entries that a living process has open stay. That the limit
// cannot be kept is a warning.
func (c Cache) Trim(ctx context.Context, bytes int64) error {
	if c.Limit <= 0 || !exists(c.Dir) {
		return nil
	}
	unlock, err := lock(ctx, filepath.Join(c.Dir, "limit.lock"))
	if err != nil {
		return err
	}
	err = c.trim(ctx, bytes)
	return errors.Join(err, unlock())
}

func (c Cache) trim(ctx context.Context, bytes int64) error {
	u, list, err := c.survey()
	if err != nil {
		return err
	}
	slices.SortFunc(list, func(a, b held) int {
		switch {
		case a.corrupt != b.corrupt && a.corrupt:
			return -1
		case a.corrupt != b.corrupt:
			return 1
		}
		return a.used.Compare(b.used)
	})
	total := u.Bytes + bytes
	for _, h := range list {
		if total <= c.Limit {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		gone, err := h.evict()
		if err != nil {
			c.warn(fmt.Errorf("%s cannot be deleted to keep within the limit of the cache: %w", h.path, err))
		}
		if !gone {
			continue
		}
		total -= h.bytes
		if c.Evicted != nil {
			c.Evicted(h.path, h.bytes, h.used)
		}
	}
	if total > c.Limit {
		c.warn(fmt.Errorf("the cache %s takes %d bytes with what is being made, its limit is %d: what is left is in use", c.Dir, total, c.Limit))
	}
	return nil
}

// evict deletes a folder that nobody uses. The entry is renamed first, so that
// nobody finds half of it; what a killed process leaves is unfinished work.
func (h held) evict() (gone bool, err error) {
	if h.corrupt {
		err := os.RemoveAll(h.path)
		return err == nil, err
	}
	unlock, ok, err := tryLock(h.path + ".lock")
	if err != nil || !ok {
		return false, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	release, ok, err := unused(h.path)
	if err != nil || !ok {
		return false, err
	}
	root, hash := filepath.Split(h.path)
	aside, err := os.MkdirTemp(root, "tmp-"+hash+"-")
	if err == nil {
		err = os.Rename(h.path, filepath.Join(aside, "entry"))
	}
	if err = errors.Join(err, release()); err != nil {
		return false, err
	}
	return true, os.RemoveAll(aside)
}
