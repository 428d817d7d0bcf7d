package memory

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestWatch touches 64 MiB and expects the peak to rise by nearly that much:
// the runtime may already hold some free pages.
func TestWatch(t *testing.T) {
	before, _, err := Status()
	if err != nil {
		if runtime.GOOS == "linux" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	const size = 64 << 20
	p, err := Watch(time.Millisecond, func() error {
		b := make([]byte, size)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		time.Sleep(20 * time.Millisecond)
		runtime.KeepAlive(b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if rise := p.Anon - before; rise < size*3/4 {
		t.Errorf("peak rose by %d bytes, want about %d", rise, size)
	}
	if p.VmHWM < p.Anon || p.Samples < 3 {
		t.Errorf("%+v: VmHWM below RssAnon, or too few samples", p)
	}
}

// TestWatchFails: the function's own error wins, and a reading that fails in
// the middle is told.
func TestWatchFails(t *testing.T) {
	boom, unread := errors.New("boom"), errors.New("unread")
	ok := func() (int64, int64, error) { return 1, 2, nil }
	if _, err := watch(time.Millisecond, ok, func() error { return boom }); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	n := 0
	failing := func() (int64, int64, error) {
		if n++; n > 1 {
			return 0, 0, unread
		}
		return 1, 2, nil
	}
	if _, err := watch(time.Millisecond, failing, func() error { time.Sleep(5 * time.Millisecond); return nil }); !errors.Is(err, unread) {
		t.Errorf("got %v", err)
	}
}

func TestReadStatus(t *testing.T) {
	path := filepath.Join(t.TempDir(), "status")
	for _, c := range []struct{ text, want string }{
		{"VmHWM:\t  100 kB\nRssAnon:\t 7 kB\n", ""},
		{"VmHWM:\t  100 kB\n", "missing"},
		{"VmHWM:\t  x kB\nRssAnon: 7 kB\n", "VmHWM"},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		anon, hwm, err := readStatus(path)
		switch {
		case c.want == "" && (err != nil || anon != 7<<10 || hwm != 100<<10):
			t.Errorf("%q: %d, %d, %v", c.text, anon, hwm, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%q: got %v, want ...%s", c.text, err, c.want)
		}
	}
}
