package subject

import (
	"errors"
	"slices"

	"github.com/sketchbench/sketchbench/internal/artefact"
	"github.com/sketchbench/sketchbench/internal/engine"
)

// A Child is what a child process is told to open: a model and, unless it is
// the uncompressed one, an artefact.
type Child struct {
	Model, Folder, Artefact string
	Threads                 int
}

// Open opens the engine with room for tokens positions, reading only what it
// needs. The returned function closes everything.
func (c Child) Open(tokens int) (e *engine.Engine, vocab int, closeAll func() error, err error) {
	var closers []func() error
	closeAll = func() error {
		var errs []error
		for _, f := range slices.Backward(closers) {
			errs = append(errs, f())
		}
		return errors.Join(errs...)
	}
	fail := func(err error) (*engine.Engine, int, func() error, error) {
		return nil, 0, nil, errors.Join(err, closeAll())
	}
	dev, _, err := OpenDevice("cpu", c.Threads)
	if err != nil {
		return fail(err)
	}
	closers = append(closers, dev.Close)
	m, err := openUnhashed(c.Model, c.Folder)
	if err != nil {
		return fail(err)
	}
	closers = append(closers, m.Close)
	w := m.Weights()
	if c.Artefact != "" {
		a, err := artefact.Open(c.Artefact)
		if err != nil {
			return fail(err)
		}
		closers = append(closers, a.Close)
		w = a
	}
	if e, err = engine.New(dev, m.Config, w, engine.Options{MaxTokens: tokens}); err != nil {
		return fail(err)
	}
	return e, m.Config.Vocab, closeAll, nil
}
