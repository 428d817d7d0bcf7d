package subject

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/sketchbench/sketchbench/internal/artefact"
	"github.com/sketchbench/sketchbench/internal/demo"
	"github.com/sketchbench/sketchbench/internal/engine"
	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/internal/safetensors"
	"github.com/sketchbench/sketchbench/internal/tokenizer"
)

// A Model is an uncompressed checkpoint, opened.
type Model struct {
	Ref  string // as the scenario names it
	Name string // in records: the name with the first 12 digits of its hash
	// Dir is the folder of the files, "" for the embedded model.
	Dir       string
	Config    model.Config
	Tensors   *safetensors.Checkpoint
	Tokenizer *tokenizer.Tokenizer
	// Sources describes every file that the model is read from, by name.
	Sources []artefact.File
	// Small holds the contents of the small files that an artefact copies:
	// config and tokenizer.
	Small map[string][]byte

	close func() error
}

// smallFiles are copied into artefacts.
var smallFiles = []string{"config.json", "generation_config.json", "tokenizer.json", "tokenizer.model",
	"tokenizer_config.json", "special_tokens_map.json"}

// A SourceFile is a file of a model: base name, bytes, SHA-256.
type SourceFile = artefact.File

// NoModel is the name of no model at all: methods give formats, and suites
// draw their own weights.
const NoModel = "none"

// None reports whether m is no model; its config has no layers.
func (m *Model) None() bool { return m.Ref == NoModel }

// OpenModel opens demo, a folder in Hugging Face layout, or none, and reports
// every fault at once: of config, tokenizer and tensors. Files of the folder are
// hashed, unless known has them with the same name and size.
func OpenModel(ref, dir string, known ...SourceFile) (*Model, error) {
	if ref == NoModel {
		return &Model{Ref: ref, Name: ref}, nil
	}
	m, err := openUnhashed(ref, dir)
	if err != nil {
		return nil, err
	}
	if m.Dir == "" {
		files := demo.ModelFiles()
		for _, name := range slices.Sorted(maps.Keys(files)) {
			m.Sources = append(m.Sources, artefact.FileOf(name, files[name]))
		}
	} else if err := m.hashFolder(known); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	m.setName()
	return m, nil
}

// openUnhashed opens and checks a model without reading all of its weights.
func openUnhashed(ref, dir string) (*Model, error) {
	m := &Model{Ref: ref, Dir: dir, Small: map[string][]byte{}}
	var err error
	if ref == demo.Model {
		m.Dir = ""
		err = m.openEmbedded(demo.ModelFiles())
	} else {
		err = m.openFolder()
	}
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

func (m *Model) openEmbedded(files map[string][]byte) error {
	for _, name := range smallFiles {
		if b, ok := files[name]; ok {
			m.Small[name] = b
		}
	}
	f, err := safetensors.Parse("model.safetensors", files["model.safetensors"])
	if err != nil {
		return err
	}
	ckpt, err := safetensors.NewCheckpoint(f)
	if err != nil {
		return err
	}
	return m.check("", ckpt)
}

func (m *Model) openFolder() error {
	info, err := os.Stat(m.Dir)
	if err != nil {
		return fmt.Errorf("%s: no such folder; want %s or a folder with config.json and *.safetensors", m.Dir, demo.Model)
	}
	if !info.IsDir() {
		return fmt.Errorf("%s: a file, want a folder with config.json and *.safetensors", m.Dir)
	}
	for _, name := range smallFiles {
		b, err := os.ReadFile(filepath.Join(m.Dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		m.Small[name] = b
	}
	ckpt, err := safetensors.OpenCheckpoint(m.Dir)
	if err != nil {
		// The config's faults are worth telling in the same breath.
		_, cfgErr := model.ReadConfig(m.Dir)
		return errors.Join(cfgErr, err)
	}
	m.close = ckpt.Close
	return m.check(m.Dir, ckpt)
}

// check reads config and tokenizer from Small and compares the tensors.
func (m *Model) check(dir string, t *safetensors.Checkpoint) error {
	var errs []error
	m.Tensors = t
	name := filepath.Join(dir, "config.json")
	if b, ok := m.Small["config.json"]; !ok {
		errs = append(errs, fmt.Errorf("%s: missing", name))
	} else if cfg, err := model.ParseConfig(name, b); err != nil {
		errs = append(errs, err)
	} else {
		m.Config = cfg
		errs = append(errs, model.Check(cfg, t))
	}
	var tok *tokenizer.Tokenizer
	var err error
	if dir == "" {
		tok, err = tokenizer.LoadBytes(m.Small)
	} else {
		tok, err = tokenizer.Load(dir)
	}
	if err != nil {
		errs = append(errs, err)
	} else if m.Config.Vocab > 0 && tok.VocabSize() > m.Config.Vocab {
		errs = append(errs, fmt.Errorf("%s: vocab_size is %d, but the tokenizer has %d tokens", name, m.Config.Vocab, tok.VocabSize()))
	}
	m.Tokenizer = tok
	return errors.Join(errs...)
}

func (m *Model) hashFolder(known []SourceFile) error {
	paths, err := filepath.Glob(filepath.Join(m.Dir, "*.safetensors.index.json"))
	if err != nil {
		return err
	}
	var names []string
	var faults []error
	for _, f := range m.Tensors.Files() {
		paths = append(paths, f.Name())
	}
	for _, p := range paths {
		names = append(names, filepath.Base(p))
	}
	names = append(names, slices.Collect(maps.Keys(m.Small))...)
	slices.Sort(names)
	for _, name := range names {
		info, err := os.Stat(filepath.Join(m.Dir, name))
		i := slices.IndexFunc(known, func(f SourceFile) bool { return err == nil && f.Name == name && f.Bytes == info.Size() })
		if i >= 0 {
			m.Sources = append(m.Sources, known[i])
			continue
		}
		hashed, err := artefact.HashFiles(m.Dir, name)
		faults = append(faults, err)
		m.Sources = append(m.Sources, hashed...)
	}
	return errors.Join(faults...)
}

// SourcesHash identifies the model by the bytes of its files.
func (m *Model) SourcesHash() string {
	return hashOfFiles(m.Sources)
}

// about tells the files behind SourcesHash, for keys of the cache.
func (m *Model) about() map[string]any {
	files := map[string]any{}
	for _, f := range m.Sources {
		files[f.Name] = f.SHA256
	}
	return map[string]any{"base": files}
}

// Weights returns the uncompressed tensors.
func (m *Model) Weights() engine.Weights { return engine.FromCheckpoint(m.Tensors) }

// Close unmaps the files.
func (m *Model) Close() error {
	if m.close == nil {
		return nil
	}
	err := m.close()
	m.close = nil
	return err
}
