// Package launch starts programs in processes of their own and tells how they
// ended. It knows command lines and exit states only.
package launch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
)

// A Process is a running child. What it writes to standard error is kept for
// the report of its end.
type Process struct {
	In  io.WriteCloser // its standard input; a child of ours ends when it closes
	Out io.Reader      // its standard output, to be read to the end before Wait

	cmd    *exec.Cmd
	stderr ends
	before int64 // of the system's count of kills for want of memory
}

// Start starts a program. The child is in a process group of its own, so that
// a Ctrl-C at the terminal reaches only the parent, which decides how to stop
// it.
func Start(path string, env []string, args ...string) (*Process, error) {
	cmd := exec.Command(path, args...)
	cmd.Env = env
	ownGroup(cmd)
	p := &Process{cmd: cmd, before: memoryKills()}
	cmd.Stderr = &p.stderr
	var err error
	if p.In, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if p.Out, err = cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	return p, cmd.Start()
}

// Pid is the number of the process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Interrupt asks the child to stop at its next step.
func (p *Process) Interrupt() error { return ignoreDone(p.cmd.Process.Signal(stopSignal)) }

// Kill ends the child at once.
func (p *Process) Kill() error { return ignoreDone(p.cmd.Process.Kill()) }

// ignoreDone drops the error about a process that has ended by itself.
func ignoreDone(err error) error {
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Wait waits until the child has ended. The error is an *Exit unless it ended
// with status 0.
func (p *Process) Wait() error {
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	e := &Exit{Code: exit.ExitCode(), Stderr: p.stderr.String()}
	if exit.ExitCode() < 0 {
		e.Signal = strings.TrimPrefix(exit.ProcessState.String(), "signal: ")
	}
	e.OutOfMemory = strings.HasPrefix(e.Signal, "killed") && memoryKills() > p.before || outOfMemory(e.Stderr)
	return e
}

// An Exit says how a child ended that did not end well.
type Exit struct {
	Code        int    // exit status; -1 when a signal ended it
	Signal      string // the signal's name, "" for none
	OutOfMemory bool   // it asked for more memory than there was
	Stderr      string // what it wrote to standard error, the middle cut out when long
}

func (e *Exit) Error() string {
	how := "exit status " + strconv.Itoa(e.Code)
	if e.Signal != "" {
		how = "ended by signal: " + e.Signal
	}
	if e.OutOfMemory {
		how = "out of memory: " + how
	}
	if w := lastWords(e.Stderr); w != "" {
		how += ": " + w
	}
	return "child process: " + how
}

// lastWords is the line of a program's standard error that tells most: that of
// a panic or of the runtime's end, else the last one.
func lastWords(stderr string) string {
	last := ""
	for line := range strings.Lines(stderr) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return line
		}
		if line != "" {
			last = line
		}
	}
	return last
}

// outOfMemory tells the end of a Go program that was refused memory.
func outOfMemory(stderr string) bool {
	w := lastWords(stderr)
	return strings.HasPrefix(w, "fatal error:") && (strings.Contains(w, "out of memory") || strings.Contains(w, "cannot allocate memory"))
}

// memoryKills is how many processes the system has killed for want of memory
// since it started; 0 where it does not tell.
func memoryKills() int64 {
	b, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if count, ok := strings.CutPrefix(line, "oom_kill "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(count), 10, 64) // 0 if it cannot be read
			return n
		}
	}
	return 0
}

// ends keeps the beginning and the end of what is written to it.
type ends struct {
	mu   sync.Mutex
	head bytes.Buffer
	tail []byte
	cut  bool
}

// keep is how many bytes of each end are kept.
const keep = 4 << 10

func (e *ends) Write(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := len(b)
	if room := keep - e.head.Len(); room > 0 {
		k := min(room, len(b))
		e.head.Write(b[:k])
		b = b[k:]
	}
	if e.tail = append(e.tail, b...); len(e.tail) > keep {
		e.tail, e.cut = append([]byte(nil), e.tail[len(e.tail)-keep:]...), true
	}
	return n, nil
}

func (e *ends) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cut {
		return fmt.Sprintf("%s\n…\n%s", e.head.String(), e.tail)
	}
	return e.head.String() + string(e.tail)
}
