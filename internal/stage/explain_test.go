package stage

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestNearest: the entry with the fewest other fields is shown, with every
// field by path, and what stands behind a hash.
func TestNearest(t *testing.T) {
	c := Cache{Dir: t.TempDir()}
	type m = map[string]any
	make := func(bits, version int, base, sha string) Request {
		return Request{Stage: "test", Key: m{"base": base, "method_version": version, "params": m{"bits": bits, "group": 32}},
			About: m{"base": m{"config.json": "same", "model.safetensors": sha}}, Build: put("v")}
	}
	for _, r := range []Request{make(4, 1, "b1", "s1"), make(2, 2, "b1", "s1")} {
		e, err := c.Do(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, k := range []struct {
		r    Request
		want []Difference
	}{
		{make(3, 1, "b1", "s1"), []Difference{{"params.bits", "4", "3"}}},
		{make(4, 2, "b1", "s1"), nil}, // one field from either
		{make(4, 1, "b2", "s2"), []Difference{{"base.model.safetensors", `"s1"`, `"s2"`}}},
		{make(8, 1, "b2", "s2"), []Difference{{"base.model.safetensors", `"s1"`, `"s2"`}, {"params.bits", "4", "8"}}},
	} {
		near, err := c.Nearest(k.r)
		if err != nil {
			t.Fatal(err)
		}
		if k.want == nil {
			if len(near) != 2 || len(near[0].Differences) != 1 || len(near[1].Differences) != 1 {
				t.Errorf("%v: %+v, want two as near", k.r.Key, near)
			}
			continue
		}
		if len(near) != 1 || !slices.Equal(near[0].Differences, k.want) {
			t.Errorf("%v: %+v, want %v", k.r.Key, near, k.want)
		}
	}
	if near, err := (Cache{Dir: filepath.Join(c.Dir, "none")}).Nearest(make(1, 1, "", "")); err != nil || len(near) > 0 {
		t.Errorf("%v, %v", near, err)
	}
}

// TestVerify: every file that is not as it was made is told.
func TestVerify(t *testing.T) {
	c := Cache{Dir: t.TempDir()}
	dir, _, err := do(c, context.Background(), 1, put("content"))
	if err != nil {
		t.Fatal(err)
	}
	entry := filepath.Dir(dir)
	var last, total int64
	n, err := Verify(context.Background(), entry, func(d, all int64) { last, total = d, all })
	if err != nil || n != 7 || last != 7 || total != 7 {
		t.Fatalf("%d bytes, progress %d of %d, %v", n, last, total, err)
	}
	for _, path := range []string{entry, filepath.Dir(entry), c.Dir} {
		if found, err := Entries(path); err != nil || !slices.Equal(found, []string{entry}) {
			t.Errorf("Entries(%s): %v, %v", path, found, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Verify(ctx, entry, func(int64, int64) {}); err == nil || ctx.Err() == nil {
		t.Error("an ended context is no matter")
	}
	for content, want := range map[string]string{"Content": "SHA-256", "short": "5 bytes, want 7"} {
		if err := os.WriteFile(filepath.Join(dir, "v"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Verify(context.Background(), entry, func(int64, int64) {}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", content, err, want)
		}
	}
}
