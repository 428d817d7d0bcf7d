package stage

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// childDir tells a re-executed test binary to be the other process of a test.
const childDir = "SKETCHBENCH_STAGE_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(child(dir, os.Args[1]))
	}
	os.Exit(m.Run())
}

// child asks for one entry. Mode "hang" says so on stdout and never returns
// from building; mode "count" appends a line to a file for each build; mode
// "hold" keeps the entry, which is there, in use.
func child(dir, mode string) int {
	if mode == "hold" {
		e, err := Cache{Dir: dir}.Do(context.Background(), Request{Stage: "test", Key: "shared", Build: fail})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println("holding")
		time.Sleep(time.Hour)
		_ = e.Close() // not reached
	}
	_, _, err := do(Cache{Dir: dir}, context.Background(), "shared", func(tmp string) error {
		if mode == "hang" {
			if err := os.WriteFile(filepath.Join(tmp, "half"), nil, 0o644); err != nil {
				return err
			}
			fmt.Println("building")
			time.Sleep(time.Hour)
		}
		time.Sleep(20 * time.Millisecond)
		f, err := os.OpenFile(filepath.Join(dir, "builds"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		_, err = f.WriteString("built\n")
		return errors.Join(err, f.Close())
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// do asks for an entry and says at once that it is no longer in use.
func do(c Cache, ctx context.Context, key any, build func(tmp string) error) (dir string, hit bool, err error) {
	e, err := c.Do(ctx, Request{Stage: "test", Key: key, Build: build})
	if err != nil {
		return "", false, err
	}
	return e.Dir, e.Hit, e.Close()
}

func childCommand(dir, mode string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], mode)
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	return cmd
}

// put makes a build function that writes one file.
func put(content string) func(string) error {
	return func(tmp string) error {
		return os.WriteFile(filepath.Join(tmp, "v"), []byte(content), 0o644)
	}
}

func fail(string) error { return errors.New("must not be built") }

func read(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "v"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// leftovers lists unfinished and damaged work.
func leftovers(t *testing.T, c Cache) []string {
	t.Helper()
	m, err := filepath.Glob(filepath.Join(c.Dir, "test", "[tc]*-*"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestDo(t *testing.T) {
	ctx := context.Background()
	c := Cache{Dir: filepath.Join(t.TempDir(), "new", "cache")}
	if _, ok := c.Lookup("test", 1); ok {
		t.Error("an empty cache has an entry")
	}
	dir, hit, err := do(c, ctx, 1, put("one"))
	if err != nil || hit || read(t, dir) != "one" {
		t.Fatalf("%s, %v, %v", dir, hit, err)
	}
	again, hit, err := do(c, ctx, 1.0, fail)
	if err != nil || !hit || again != dir {
		t.Errorf("%s, %v, %v, want %s", again, hit, err, dir)
	}
	if found, ok := c.Lookup("test", 1); !ok || found != dir {
		t.Errorf("Lookup %s, %v", found, ok)
	}
	hash, preimage, _ := Key("test", 1)
	if got, err := os.ReadFile(filepath.Join(filepath.Dir(dir), "key.json")); err != nil || string(got) != string(preimage) {
		t.Errorf("key.json %s, %v", got, err)
	}
	if filepath.Base(filepath.Dir(dir)) != hash {
		t.Errorf("%s is not below %s", dir, hash)
	}
	other, hit, err := do(c, ctx, 2, put("two"))
	if err != nil || hit || read(t, other) != "two" || read(t, dir) != "one" {
		t.Errorf("%s, %v, %v", other, hit, err)
	}
	if l := leftovers(t, c); len(l) != 0 {
		t.Errorf("left behind: %v", l)
	}
}

func TestBuildFails(t *testing.T) {
	c := Cache{Dir: t.TempDir()}
	cause := errors.New("out of luck")
	_, _, err := do(c, context.Background(), 1, func(tmp string) error {
		return errors.Join(put("x")(tmp), cause)
	})
	if !errors.Is(err, cause) || !strings.HasPrefix(err.Error(), "stage test: ") {
		t.Errorf("%v", err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a panic was swallowed")
			}
		}()
		_, _, _ = do(c, context.Background(), 1, func(string) error { panic("bug") })
	}()
	if l := leftovers(t, c); len(l) != 0 {
		t.Errorf("left behind: %v", l)
	}
	if _, hit, err := do(c, context.Background(), 1, put("y")); hit || err != nil {
		t.Errorf("after failures: %v, %v", hit, err)
	}
}

func TestDamagedEntries(t *testing.T) {
	for name, damage := range map[string]func(entry string) error{
		"no key":    func(e string) error { return os.Remove(filepath.Join(e, "key.json")) },
		"wrong key": func(e string) error { return os.WriteFile(filepath.Join(e, "key.json"), []byte("{}"), 0o644) },
		"no value":  func(e string) error { return os.RemoveAll(filepath.Join(e, "value")) },
	} {
		var warnings []error
		c := Cache{Dir: t.TempDir(), Warn: func(err error) { warnings = append(warnings, err) }}
		dir, _, err := do(c, context.Background(), 1, put("old"))
		if err != nil {
			t.Fatal(err)
		}
		if err := damage(filepath.Dir(dir)); err != nil {
			t.Fatal(err)
		}
		if _, ok := c.Lookup("test", 1); ok {
			t.Errorf("%s: Lookup found it", name)
		}
		dir, hit, err := do(c, context.Background(), 1, put("new"))
		if err != nil || hit || read(t, dir) != "new" {
			t.Errorf("%s: %v, %v", name, hit, err)
		}
		l := leftovers(t, c)
		if len(l) != 1 || len(warnings) != 1 || !strings.Contains(warnings[0].Error(), l[0]) {
			t.Errorf("%s: set aside %v, warnings %v", name, l, warnings)
		}
	}
}

func TestTwoGoroutines(t *testing.T) {
	c := Cache{Dir: t.TempDir()}
	var builds, hits atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, hit, err := do(c, context.Background(), "k", func(tmp string) error {
				builds.Add(1)
				time.Sleep(10 * time.Millisecond)
				return put("v")(tmp)
			})
			if err != nil {
				t.Error(err)
			}
			if hit {
				hits.Add(1)
			}
		})
	}
	wg.Wait()
	if builds.Load() != 1 || hits.Load() != 7 {
		t.Errorf("%d builds, %d hits", builds.Load(), hits.Load())
	}
}

func TestTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	var cmds []*exec.Cmd
	for range 3 {
		cmd := childCommand(dir, "count")
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds = append(cmds, cmd)
	}
	for _, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "builds")); err != nil || string(b) != "built\n" {
		t.Errorf("%q, %v, want one build", b, err)
	}
}

// TestKilled kills a process in the middle of a build: a waiting one gives up
// when its context ends, and goes on as soon as the owner is dead.
func TestKilled(t *testing.T) {
	c := Cache{Dir: t.TempDir()}
	cmd := childCommand(c.Dir, "hang")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "building\n" {
		t.Fatalf("%q, %v", line, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, _, err := do(c, ctx, "shared", fail); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), ".lock") {
		t.Errorf("waiting: %v", err)
	}
	// Another entry is made meanwhile, without touching the living one's work.
	if _, _, err := do(c, context.Background(), "other", put("o")); err != nil {
		t.Error(err)
	}
	if l := leftovers(t, c); len(l) != 1 {
		t.Errorf("unfinished work: %v, want one folder", l)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if _, _, err := do(c, context.Background(), "third", put("t")); err != nil {
		t.Error(err)
	}
	if l := leftovers(t, c); len(l) != 0 {
		t.Errorf("the dead process's work is still there: %v", l)
	}
	dir, hit, err := do(c, context.Background(), "shared", put("s"))
	if err != nil || hit || read(t, dir) != "s" {
		t.Errorf("%v, %v", hit, err)
	}
}

// TestUnwritable uses a file where the cache's folder should be, which stops
// root too, and a folder without permission where that means something.
func TestUnwritable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := do(Cache{Dir: file}, context.Background(), 1, fail); err == nil ||
		!strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "cannot be written") {
		t.Errorf("%v, want the path", err)
	}
	c := Cache{Dir: t.TempDir()}
	dir, _, err := do(c, context.Background(), 1, put("x"))
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(c.Dir, "test")
	if err := os.Chmod(root, 0o555); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Chmod(root, 0o755) }()
	if got, hit, err := do(c, context.Background(), 1, fail); err != nil || !hit || got != dir {
		t.Errorf("a hit in a read-only cache: %v, %v", hit, err)
	}
	if os.Geteuid() == 0 {
		t.Skip("root may write anywhere")
	}
	if _, _, err := do(c, context.Background(), 2, fail); !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), root) {
		t.Errorf("%v, want the path", err)
	}
}
