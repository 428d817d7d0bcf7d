// Package stage caches what costly stages make, such as a compressed model,
// in folders named by the hash of all that the result depends on. Processes
// that share a cache make each entry once. It knows nothing of what it holds.
// A finished entry is deleted only to keep within Cache.Limit, and never while
// a living process has it open.
//
// Below Cache.Dir lie, per stage:
//
//	STAGE/HASH/key.json     the key, whose SHA-256 is HASH
//	STAGE/HASH/about.json   what stands behind hashes in the key, if it was told
//	STAGE/HASH/value/       what the stage made
//	STAGE/HASH/content.json size and SHA-256 of every file of value
//	STAGE/HASH/used         its time is that of the last use; locked while in use
//	STAGE/HASH.lock         held while the entry is being made or deleted
//	STAGE/tmp-HASH-*/       unfinished work of the lock's holder
//	STAGE/corrupt-HASH-*/   entries that were found damaged and set aside
//
// and fresh-*/, caches of their own that last for one process (see Fresh).
package stage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// A Cache is a folder of stage results. The zero Warn and Evicted drop what
// they would be told.
type Cache struct {
	Dir string
	// Limit is the most bytes that the folder may take; 0 is no limit.
	Limit int64
	// Warn is told of damaged entries that were set aside, of leftovers that
	// could not be removed, and of a limit that cannot be kept.
	Warn func(error)
	// Evicted is told what was deleted to keep within Limit.
	Evicted func(path string, bytes int64, lastUse time.Time)
}

// A Request says which entry is wanted and how it is made.
type Request struct {
	Stage string // a name of a-z, 0-9 and -
	Key   any    // see Key
	// About says more of members of Key that are hashes, by their names. It is
	// kept beside the key, decides nothing, and serves to explain.
	About map[string]any
	// Bytes estimates the size of the entry, for Cache.Limit.
	Bytes int64
	// Build makes the value in tmp, an empty folder that becomes the result
	// when Build returns nil and is removed otherwise.
	Build func(tmp string) error
	// Check, if not nil, looks at a value that is there before it is used. An
	// error that tells of damage lets the entry be set aside and made anew.
	Check func(dir string) error
}

// An Entry is a stage's result, in use until Close. It must not be changed.
type Entry struct {
	Dir  string // the value
	Hit  bool   // it was there already
	mark *os.File
}

// Close says that the entry is no longer in use.
func (e *Entry) Close() error {
	if e.mark == nil {
		return nil
	}
	mark := e.mark
	e.mark = nil
	return mark.Close()
}

// A DamagedError is about an entry that is damaged and cannot be set aside.
type DamagedError struct {
	Path string
	Err  error // what is wrong with it
	Why  error // why it stays
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("the cache entry %s is damaged (%v) and cannot be made anew (%v); remove its folder, or name another cache with --cache DIR", e.Path, e.Err, e.Why)
}

func (e *DamagedError) Unwrap() []error { return []error{e.Err, e.Why} }

var (
	stageName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	hashName  = regexp.MustCompile(`^[0-9a-f]{64}$`)
	tmpName   = regexp.MustCompile(`^tmp-([0-9a-f]{64})-`)
)

// Key returns the hash that names an entry and the canonical JSON that it is
// the SHA-256 of: an object of the stage's name and the key, which may be
// anything that encoding/json takes. Whatever the result depends on must be
// in the key, the version of the code that makes it included.
func Key(stage string, key any) (hash string, canonicalJSON []byte, err error) {
	if !stageName.MatchString(stage) {
		return "", nil, fmt.Errorf("stage %q: want a name of a-z, 0-9 and -", stage)
	}
	b, err := Canonical(struct {
		Key   any    `json:"key"`
		Stage string `json:"stage"`
	}{key, stage})
	if err != nil {
		return "", nil, fmt.Errorf("stage %s: key: %w", stage, err)
	}
	return hashOf(b), b, nil
}

// Lookup returns the value of an entry that is there with all its files in
// their sizes. It writes nothing.
func (c Cache) Lookup(stage string, key any) (dir string, ok bool) {
	hash, preimage, err := Key(stage, key)
	if err != nil {
		return "", false
	}
	entry := filepath.Join(c.Dir, stage, hash)
	return filepath.Join(entry, valueDir), checkEntry(entry, preimage) == nil
}

// Do returns the entry of a request, made first if it is not there. While one
// process builds, others that want the same entry wait, until ctx ends. A
// damaged entry is set aside and made anew, once a call.
//
// A cache that cannot be written still gives what it holds; otherwise the
// error names the path.
func (c Cache) Do(ctx context.Context, r Request) (e *Entry, err error) {
	hash, preimage, err := Key(r.Stage, r.Key)
	if err != nil {
		return nil, err
	}
	w := &work{Cache: c, Request: r, root: filepath.Join(c.Dir, r.Stage), hash: hash, preimage: preimage}
	e, fault := w.use(r.Check)
	if fault == nil {
		return e, nil
	}
	if !isDamage(fault) {
		return nil, fmt.Errorf("stage %s: %w", r.Stage, fault)
	}
	unlock, err := w.lock(ctx)
	if err != nil {
		if exists(w.entry()) && ctx.Err() == nil {
			err = &DamagedError{w.entry(), fault, err}
		}
		return nil, fmt.Errorf("stage %s: %w", r.Stage, err)
	}
	defer func() {
		if err = errors.Join(err, unlock()); err != nil && e != nil {
			err = errors.Join(err, e.Close())
			e = nil
		}
	}()
	if e, err = w.make(ctx); err != nil {
		return nil, fmt.Errorf("stage %s: %w", r.Stage, err)
	}
	return e, nil
}

// work is one request being served.
type work struct {
	Cache
	Request
	root     string // folder of the stage
	hash     string
	preimage []byte
}

func (w *work) entry() string { return filepath.Join(w.root, w.hash) }

// use opens the entry if it is there and sound, and marks it as used.
func (w *work) use(check func(dir string) error) (*Entry, error) {
	mark, err := holdUse(w.entry())
	if err != nil {
		return nil, err
	}
	e := &Entry{Dir: filepath.Join(w.entry(), valueDir), Hit: true, mark: mark}
	if err = checkEntry(w.entry(), w.preimage); err == nil && check != nil {
		err = check(e.Dir)
	}
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	if mark != nil {
		now := time.Now()
		_ = os.Chtimes(mark.Name(), now, now) // best effort, as the mark is
	}
	return e, nil
}

// isDamage tells faults of an entry, absence among them, from those of the
// system or of the caller, which another entry would not mend.
func isDamage(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return true
	}
	return errors.Is(err, fs.ErrNotExist) || errno == syscall.ENOTDIR || errno == syscall.EISDIR || errno == syscall.EIO
}

// lock waits until the entry may be made.
func (w *work) lock(ctx context.Context) (unlock func() error, err error) {
	if err := os.MkdirAll(w.root, 0o755); err != nil {
		return nil, fmt.Errorf("the cache cannot be written: %w", err)
	}
	return lock(ctx, w.entry()+".lock")
}

// make makes the entry, unless another process has done so meanwhile. The lock
// is held.
func (w *work) make(ctx context.Context) (*Entry, error) {
	e, fault := w.use(w.Check)
	switch {
	case fault == nil:
		return e, nil
	case !isDamage(fault):
		return nil, fault
	case exists(w.entry()):
		if err := w.setAside(w.root, w.hash, fault); err != nil {
			return nil, &DamagedError{w.entry(), fault, err}
		}
	}
	w.removeLeftovers(w.root, w.hash)
	if err := w.Trim(ctx, w.Bytes); err != nil {
		return nil, err
	}
	if err := w.build(ctx); err != nil {
		return nil, err
	}
	e, err := w.use(nil) // what has just been made is not checked again
	if err == nil {
		e.Hit = false
	}
	return e, err
}

// exists reports whether there is anything at path.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// setAside renames a damaged entry.
func (c Cache) setAside(root, hash string, fault error) error {
	aside, err := os.MkdirTemp(root, "corrupt-"+hash+"-")
	if err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(root, hash), filepath.Join(aside, "entry")); err != nil {
		return errors.Join(err, os.Remove(aside))
	}
	c.warn(fmt.Errorf("damaged cache entry set aside as %s: %w", aside, fault))
	return nil
}

// removeLeftovers removes unfinished work whose owner is dead: of the entry
// whose lock is held here, and of others whose lock nobody holds.
func (c Cache) removeLeftovers(root, hash string) {
	files, err := os.ReadDir(root)
	if err != nil {
		c.warn(err)
		return
	}
	for _, f := range files {
		m := tmpName.FindStringSubmatch(f.Name())
		if m == nil {
			continue
		}
		unlock := func() error { return nil }
		if m[1] != hash {
			var ok bool
			if unlock, ok, err = tryLock(filepath.Join(root, m[1]+".lock")); err != nil || !ok {
				continue // its owner is alive, or whoever comes later may look
			}
		}
		if err := errors.Join(os.RemoveAll(filepath.Join(root, f.Name())), unlock()); err != nil {
			c.warn(fmt.Errorf("unfinished work of a dead process: %w", err))
		}
	}
}

// warn passes a warning on.
func (c Cache) warn(err error) {
	if c.Warn != nil {
		c.Warn(err)
	}
}

// build builds the entry under another name, syncs it and renames it. The
// lock is held.
func (w *work) build(ctx context.Context) (err error) {
	tmp, err := os.MkdirTemp(w.root, "tmp-"+w.hash+"-")
	if err != nil {
		return fmt.Errorf("the cache cannot be written: %w", err)
	}
	done := false
	defer func() { // also when Build panics
		if !done {
			err = errors.Join(err, os.RemoveAll(tmp))
		}
	}()
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	value := filepath.Join(tmp, valueDir)
	if err := os.Mkdir(value, 0o755); err != nil {
		return err
	}
	if err := w.Build(value); err != nil {
		return err
	}
	if err := describe(ctx, tmp, w.preimage, w.About); err != nil {
		return err
	}
	if err := syncTree(tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, w.entry()); err != nil {
		return err
	}
	done = true
	return syncPath(w.root)
}

// syncTree syncs all files and folders below dir, so that no rename outlives
// the content.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() && !d.Type().IsRegular() {
			return err
		}
		return syncPath(path)
	})
}

// syncPath syncs a file or folder. That a file system cannot sync folders is
// no fault.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		if err = f.Sync(); info.IsDir() {
			err = nil
		}
	}
	return errors.Join(err, f.Close())
}

// lock waits for a lock file until ctx ends.
func lock(ctx context.Context, path string) (unlock func() error, err error) {
	for wait := time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		unlock, ok, err := tryLock(path)
		switch {
		case err != nil:
			return nil, fmt.Errorf("the cache cannot be locked for writing: %w", err)
		case ok:
			return unlock, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for %s, which another process holds: %w", path, context.Cause(ctx))
		case <-time.After(wait):
		}
	}
}
