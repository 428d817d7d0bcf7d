package stage

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// kilobyte makes a build function that writes 1000 bytes.
var kilobyte = put(strings.Repeat("x", 1000))

// filled is a cache with the entries 1, 2 and 3 of a kilobyte each, used in this
// order, and what was evicted from it.
func filled(t *testing.T) (c Cache, evicted *[]string) {
	t.Helper()
	evicted = &[]string{}
	c = Cache{Dir: t.TempDir(), Warn: func(err error) { t.Error(err) }}
	c.Evicted = func(path string, bytes int64, _ time.Time) {
		if bytes < 1000 || bytes > 1500 {
			t.Errorf("%s had %d bytes", path, bytes)
		}
		for key := range 4 {
			if hash, _, _ := Key("test", key); hash == filepath.Base(path) {
				*evicted = append(*evicted, string(rune('0'+key)))
			}
		}
	}
	for key := 1; key <= 3; key++ {
		dir, _, err := do(c, context.Background(), key, kilobyte)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(time.Duration(key-10) * time.Hour)
		if err := os.Chtimes(filepath.Join(filepath.Dir(dir), usedFile), at, at); err != nil {
			t.Fatal(err)
		}
	}
	return c, evicted
}

func has(c Cache, key int) bool {
	_, ok := c.Lookup("test", key)
	return ok
}

// TestTrim: the least recently used go first, a hit renews, and what is open
// stays, here or in another process.
func TestTrim(t *testing.T) {
	ctx := context.Background()
	c, evicted := filled(t)
	u, err := c.Usage()
	if err != nil || u.Entries != 3 || u.Bytes < 3000 || u.Bytes > 4500 {
		t.Fatalf("%+v, %v", u, err)
	}
	c.Limit = u.Bytes
	if err := c.Trim(ctx, 0); err != nil || len(*evicted) > 0 {
		t.Fatalf("within the limit: %v, %v", *evicted, err)
	}
	if _, hit, err := do(c, ctx, 1, fail); !hit || err != nil { // now the latest
		t.Fatal(hit, err)
	}
	e, err := c.Do(ctx, Request{Stage: "test", Key: 4, Bytes: 1000, Build: kilobyte})
	if err != nil || !slices.Equal(*evicted, []string{"2"}) || !has(c, 1) || has(c, 2) || !has(c, 3) || !has(c, 4) {
		t.Fatalf("evicted %v, %v", *evicted, err)
	}
	if u, err := c.Usage(); err != nil || u.Bytes > c.Limit {
		t.Errorf("%+v above the limit of %d, %v", u, c.Limit, err)
	}
	c.Limit = 1
	var warnings []string
	c.Warn = func(err error) { warnings = append(warnings, err.Error()) }
	if err := c.Trim(ctx, 0); err != nil || !slices.Equal(*evicted, []string{"2", "3", "1"}) || !has(c, 4) {
		t.Errorf("evicted %v, %v; the open entry is there: %v", *evicted, err, has(c, 4))
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "in use") {
		t.Errorf("warnings %q", warnings)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Trim(ctx, 0); err != nil || has(c, 4) {
		t.Errorf("%v; the closed entry is there: %v", err, has(c, 4))
	}
	if l := leftovers(t, c); len(l) > 0 {
		t.Errorf("left behind: %v", l)
	}
}

// TestTrimOtherProcess: an entry that another process uses stays until it is
// killed; one set aside as corrupt goes before all others.
func TestTrimOtherProcess(t *testing.T) {
	ctx := context.Background()
	c := Cache{Dir: t.TempDir(), Limit: 1}
	if _, _, err := do(c, ctx, "shared", put("v")); err != nil {
		t.Fatal(err)
	}
	cmd := childCommand(c.Dir, "hold")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "holding\n" {
		t.Fatalf("%q, %v", line, err)
	}
	corrupt := filepath.Join(c.Dir, "test", "corrupt-"+strings.Repeat("0", 64)+"-1")
	if err := os.Mkdir(corrupt, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := c.Trim(ctx, 0); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.Lookup("test", "shared"); !ok || exists(corrupt) {
		t.Errorf("the entry in use is there: %v; the corrupt one: %v", ok, exists(corrupt))
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if err := c.Trim(ctx, 0); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.Lookup("test", "shared"); ok {
		t.Error("the entry of a dead process stays")
	}
}

// TestFresh: a cache of a process that lives stays, that of a dead one goes.
func TestFresh(t *testing.T) {
	dir := t.TempDir()
	fresh, remove, err := Fresh(dir)
	if err != nil {
		t.Fatal(err)
	}
	dead, _, err := Fresh(dir)
	if err != nil {
		t.Fatal(err)
	}
	// A process that is killed leaves its file, but no lock.
	if err := os.Rename(filepath.Join(dead, ownerFile), filepath.Join(dead, "held")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dead, ownerFile), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if u, err := (Cache{Dir: dir}).Usage(); err != nil || u.Fresh != 2 {
		t.Errorf("%+v, %v", u, err)
	}
	removed, err := RemoveDead(dir)
	if err != nil || !slices.Equal(removed, []string{dead}) || exists(dead) || !exists(fresh) {
		t.Errorf("removed %v, %v", removed, err)
	}
	if err := remove(); err != nil || exists(fresh) {
		t.Errorf("%v; still there: %v", err, exists(fresh))
	}
}
