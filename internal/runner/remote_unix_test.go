//go:build unix

package runner

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sketchbench/sketchbench/internal/launch"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/suites"
)

// shell starts a Remote that is a shell script; what it reads are an order and
// requests, a line each.
func shell(ctx context.Context, script string) (Remote, error) {
	start := func() (*launch.Process, error) { return launch.Start("/bin/sh", nil, "-c", script) }
	return Launch(start)(ctx, suites.Order{Suite: "latency"})
}

func TestRemoteEnds(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct{ name, script, want string }{
		{"killed while it opens", "read x; kill -9 $$", "child process: ended by signal: killed"},
		{"status", "read x; echo no luck >&2; exit 3", "child process: exit status 3: no luck"},
		{"an error", `read x; echo '{"error":"no model"}'`, "no model"},
		{"silence", "read x", "child process: no answer: EOF"},
		{"not an answer", "read x; echo hello", "child process: no answer: invalid character"},
	} {
		if _, err := shell(ctx, c.script); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	r, err := shell(ctx, `read x; echo '{"doubts":["d"]}'; read x; echo '{"values":[{"metric":"ttft","value":2}]}'; read x; kill -9 $$`)
	if err != nil || len(r.Opened().Doubts) != 1 || r.Pid() == 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if a, err := r.Block(ctx, 0); err != nil || len(a.Values) != 1 || a.Values[0].Value != 2 {
		t.Errorf("%+v, %v", a, err)
	}
	var exit *launch.Exit
	if _, err := r.Block(ctx, 1); !errors.As(err, &exit) || exit.Signal != "killed" {
		t.Errorf("killed in a block: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Errorf("closing what has ended: %v", err)
	}
	if r, err = shell(ctx, `read x; echo '{}'; read x`); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err == nil {
		// The shell's read fails at the end of its input, and its status is that.
		t.Error("the end of the process is not told")
	}
	if _, err := shell(ctx, `read x; echo '{"error":"logits","diverged":true}'`); !errors.Is(err, subject.ErrDiverged) {
		t.Errorf("diverged: %v", err)
	}
}

// TestRemoteCanceled kills a process that does not answer.
func TestRemoteCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	start := time.Now()
	if _, err := shell(ctx, "read x; exec sleep 100"); !errors.Is(err, context.Canceled) || time.Since(start) > 50*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}
