// Package subject lists the methods and opens what one case measures, once:
// load, calibrate, compress, artefact, device. All suites of a case share it.
// It knows no suite and writes no record.
package subject

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sketchbench/sketchbench/internal/artefact"
	"github.com/sketchbench/sketchbench/internal/engine"
	"github.com/sketchbench/sketchbench/internal/foreign"
	"github.com/sketchbench/sketchbench/internal/stage"
	"github.com/sketchbench/sketchbench/kernels"
	"github.com/sketchbench/sketchbench/kernels/cpu"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// An Env is what all cases of a run share.
type Env struct {
	Model  *Model
	Cache  stage.Cache
	Device kernels.Device
	Gemm   gemm.Config
	// Child runs this program in a process of its own with the given
	// arguments and returns its standard output.
	Child func(ctx context.Context, args ...string) ([]byte, error)

	windows        map[string]*Windows
	verified       map[string]bool // folders whose files have been compared with their hashes
	momentsEntries map[Calibration]*stage.Entry
	sources        map[foreign.Source]*Source
	tuned          map[string]*Model // checkpoints after fine-tuning, by reference
	base           baseStates
}

// Close releases the models, sources, the device and what is in use of the cache.
func (e *Env) Close() error {
	var errs []error
	for _, entry := range e.momentsEntries {
		errs = append(errs, entry.Close())
	}
	e.momentsEntries = nil
	for _, s := range e.sources {
		errs = append(errs, s.files.Close())
	}
	e.sources = nil
	for _, m := range e.tuned {
		errs = append(errs, m.Close())
	}
	e.tuned = nil
	if e.Model != nil {
		errs = append(errs, e.Model.Close())
	}
	if e.Device != nil {
		errs = append(errs, e.Device.Close())
	}
	return errors.Join(errs...)
}

// OpenDevice opens a device by name: auto and cpu are the processor. The
// Config says how to compute outside the device, on as many threads.
func OpenDevice(name string, threads int) (kernels.Device, gemm.Config, error) {
	if name != "auto" && name != "cpu" {
		return nil, gemm.Config{}, fmt.Errorf("device %q, want auto or cpu", name)
	}
	cfg, err := gemm.Config{Threads: threads}.Resolve()
	if err != nil {
		return nil, gemm.Config{}, err
	}
	dev, err := cpu.New(cpu.Options{ISA: cfg.ISA, Threads: cfg.Threads})
	return dev, cfg, err
}

// A Stage is one step of opening a subject.
type Stage string

// The steps.
const (
	StageLoad      Stage = "load"
	StageCalibrate Stage = "calibrate"
	StageCompress  Stage = "compress"
)

// A StageError says in which step opening failed.
type StageError struct {
	Stage Stage
	Err   error
}

func (e *StageError) Error() string { return fmt.Sprintf("%s: %v", e.Stage, e.Err) }
func (e *StageError) Unwrap() error { return e.Err }

// ErrDiverged is in the chain of errors about logits that are not finite.
var ErrDiverged = engine.ErrDiverged

// A Progress is told how far a step is: done of total.
type Progress func(step Stage, done, total int)

// A Subject is one case, ready to be measured.
type Subject struct {
	Env      *Env
	Case     *Case
	Artefact *artefact.Artefact
	Hit      bool // the artefact was in the cache
	Seconds  map[Stage]time.Duration

	dir    string       // of the artefact, "" for the uncompressed model
	entry  *stage.Entry // of the cache, nil for the uncompressed model
	engine *engine.Engine
	base   *engine.Engine
}

// Weights returns the case's tensors.
func (s *Subject) Weights() engine.Weights { return s.Artefact }

// Engine returns the case's model on the device with room for tokens
// positions, opened on first use and again when more room is wanted.
func (s *Subject) Engine(tokens int) (*engine.Engine, error) {
	return openEngine(&s.engine, s.Env, s.Artefact, tokens)
}

// Base returns the uncompressed model on the device.
func (s *Subject) Base(tokens int) (*engine.Engine, error) {
	return openEngine(&s.base, s.Env, s.Env.Model.Weights(), tokens)
}

func openEngine(e **engine.Engine, env *Env, w engine.Weights, tokens int) (*engine.Engine, error) {
	if *e != nil && (*e).MaxTokens() >= tokens {
		return *e, nil
	}
	if *e != nil {
		(*e).Close()
		*e = nil
	}
	made, err := engine.New(env.Device, env.Model.Config, w, engine.Options{MaxTokens: tokens})
	if err != nil {
		return nil, err
	}
	*e = made
	return made, nil
}

// CloseEngines releases device memory; the artefact stays open.
func (s *Subject) CloseEngines() {
	for _, e := range []**engine.Engine{&s.engine, &s.base} {
		if *e != nil {
			(*e).Close()
			*e = nil
		}
	}
}

// Close releases everything but the shared model.
func (s *Subject) Close() error {
	s.CloseEngines()
	if s.dir == "" {
		return nil
	}
	return errors.Join(s.Artefact.Close(), s.entry.Close())
}
