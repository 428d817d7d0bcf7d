package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/sketchbench/sketchbench/internal/runner"
)

// A shower shows how far a run is.
type shower interface {
	event(runner.Event)
	// log is where lines go that must not run into what is shown.
	log() io.Writer
	close()
}

// newProgress picks how to show progress on standard error.
func (a *app) newProgress() shower {
	mode := a.progress
	if a.quiet {
		mode = "none"
	}
	if mode == "auto" {
		mode = "plain"
		if f, ok := a.streams.err.(*os.File); ok && term.IsTerminal(int(f.Fd())) && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb" {
			mode = "bar"
		}
	}
	switch mode {
	case "bar":
		return newBar(a.streams.err)
	case "jsonl":
		return &jsonLines{a.streams.err}
	case "none":
		return silent{a.streams.err}
	}
	return &plainLines{w: a.streams.err}
}

type silent struct{ w io.Writer }

func (silent) event(runner.Event) {}
func (s silent) log() io.Writer   { return s.w }
func (silent) close()             {}

// words says in a line what is being done and how long it will take.
func words(e runner.Event) string {
	where := fmt.Sprintf("[%d/%d] ", e.Index, e.Of)
	if e.Block > 0 {
		where = fmt.Sprintf("[block %d/%d] ", e.Block, e.Blocks)
	}
	s := where + e.Case + ": " + e.Step
	if e.Done > 0 && e.Block == 0 {
		s += fmt.Sprintf(" %d/%d", e.Done, e.Total)
	}
	return s
}

func times(e runner.Event) string {
	s := clock(e.Elapsed) + " so far"
	if e.Left > 0 {
		s += ", about " + clock(e.Left) + " left"
	}
	return s
}

// clock prints a duration as 1:23 or 1:02:03.
func clock(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// plainLines prints a line when a step begins to move and every few seconds.
type plainLines struct {
	w    io.Writer
	last time.Duration
	step string
}

func (p *plainLines) event(e runner.Event) {
	step := fmt.Sprint(e.Index, e.Step)
	if e.Block > 0 {
		step = fmt.Sprint(e.Step, e.Block)
	}
	if step == p.step && e.Elapsed-p.last < 5*time.Second {
		return
	}
	p.step, p.last = step, e.Elapsed
	fmt.Fprintf(p.w, "%s; %s\n", words(e), times(e))
}

func (p *plainLines) log() io.Writer { return p.w }
func (p *plainLines) close()         {}

// jsonLines prints every event as an object.
type jsonLines struct{ w io.Writer }

func (j *jsonLines) event(e runner.Event) {
	_ = json.NewEncoder(j.w).Encode(map[string]any{ // progress that cannot be shown stops nothing
		"case": e.Case, "index": e.Index, "of": e.Of, "step": e.Step, "done": e.Done, "total": e.Total,
		"block": e.Block, "blocks": e.Blocks, "elapsed_s": e.Elapsed.Seconds(), "left_s": e.Left.Seconds(),
	})
}

func (j *jsonLines) log() io.Writer { return j.w }
func (j *jsonLines) close()         {}

// bar is one line on a terminal.
type bar struct {
	p     *mpb.Progress
	b     *mpb.Bar
	label atomic.Value // string; mpb draws on a goroutine of its own
}

// barTotal is the resolution of the bar.
const barTotal = 1000

func newBar(w io.Writer) *bar {
	b := &bar{p: mpb.New(mpb.WithOutput(w), mpb.WithAutoRefresh(), mpb.WithWidth(20), mpb.WithRefreshRate(200*time.Millisecond))}
	b.label.Store("")
	b.b = b.p.AddBar(barTotal,
		mpb.BarRemoveOnComplete(),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return b.label.Load().(string) })))
	return b
}

func (b *bar) event(e runner.Event) {
	b.label.Store(" " + times(e) + "; " + words(e)) // a narrow terminal cuts the end
	if all := e.Elapsed + e.Left; all > 0 {         // the bar never completes by itself
		b.b.SetCurrent(min(barTotal-1, int64(barTotal*e.Elapsed.Seconds()/all.Seconds())))
	}
}

// log prints above the bar.
func (b *bar) log() io.Writer { return b.p }

func (b *bar) close() {
	b.b.Abort(true)
	b.p.Wait()
}
