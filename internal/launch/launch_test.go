package launch

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"testing"
	"time"
)

// role tells a child of the tests what to do.
const role = "SKETCHBENCH_LAUNCH_TEST"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "":
		os.Exit(m.Run())
	case "echo":
		_, err := io.Copy(os.Stdout, os.Stdin)
		fmt.Fprintln(os.Stderr, "done", err)
	case "panic":
		fmt.Fprintln(os.Stderr, "before")
		panic("boom")
	case "status":
		fmt.Fprintf(os.Stderr, "one\ntwo\n\n")
		os.Exit(7)
	case "kill":
		self, _ := os.FindProcess(os.Getpid())
		_ = self.Kill()
		time.Sleep(time.Minute)
	case "hog":
		boundMemory()
		var all [][]byte
		for {
			all = append(all, make([]byte, 1<<28))
			_ = all
		}
	case "wait":
		c := make(chan os.Signal, 1)
		signal.Notify(c, stopSignal)
		fmt.Println("ready")
		<-c
		os.Exit(75)
	}
}

func start(t *testing.T, what string) *Process {
	t.Helper()
	p, err := Start(os.Args[0], append(os.Environ(), role+"="+what))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEcho(t *testing.T) {
	p := start(t, "echo")
	if _, err := io.WriteString(p.In, "hello"); err != nil {
		t.Fatal(err)
	}
	if err := p.In.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(p.Out)
	if err != nil || string(b) != "hello" {
		t.Errorf("%q, %v", b, err)
	}
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
	if err := errors.Join(p.Kill(), p.Interrupt()); err != nil {
		t.Errorf("ending what has ended: %v", err)
	}
}

func TestEnds(t *testing.T) {
	for _, c := range []struct {
		role, want string
		memory     bool
	}{
		{"panic", "child process: exit status 2: panic: boom", false},
		{"status", "child process: exit status 7: two", false},
		{"kill", "child process: ended by signal: killed", false},
		{"hog", "child process: out of memory: exit status 2: fatal error: ", true},
	} {
		if c.role == "hog" && (runtime.GOOS != "linux" || raceDetector) {
			continue // its address space cannot be bounded
		}
		p := start(t, c.role)
		if _, err := io.ReadAll(p.Out); err != nil {
			t.Error(err)
		}
		err := p.Wait()
		var e *Exit
		if !errors.As(err, &e) || !strings.HasPrefix(e.Error(), c.want) || e.OutOfMemory != c.memory {
			t.Errorf("%s: %v (%+v), want %s", c.role, err, e, c.want)
		}
	}
	if _, err := Start("/no/such/program", nil); err == nil {
		t.Error("started what is not there")
	}
}

func TestInterrupt(t *testing.T) {
	p := start(t, "wait")
	b := make([]byte, 6)
	if _, err := io.ReadFull(p.Out, b); err != nil {
		t.Fatal(err)
	}
	if err := p.Interrupt(); err != nil {
		t.Fatal(err)
	}
	var e *Exit
	if err := p.Wait(); runtime.GOOS != "windows" && (!errors.As(err, &e) || e.Code != 75) {
		t.Errorf("%v, want status 75", err)
	}
}

// TestLongStderr keeps both ends of a long standard error.
func TestLongStderr(t *testing.T) {
	var e ends
	fmt.Fprintf(&e, "first\n")
	for range 3000 {
		fmt.Fprintf(&e, "middle\n")
	}
	fmt.Fprintf(&e, "last\n")
	s := e.String()
	if !strings.HasPrefix(s, "first\n") || !strings.HasSuffix(s, "last\n") || !strings.Contains(s, "\n…\n") || len(s) > 2*keep+8 {
		t.Errorf("%d bytes: %.20q … %q", len(s), s, s[len(s)-20:])
	}
	if lastWords(s) != "last" {
		t.Errorf("last words %q", lastWords(s))
	}
}
