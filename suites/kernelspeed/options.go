// Package kernelspeed times single products of packed matrices with a batch of
// vectors, over shapes, batches and cache states, beside the limits of the
// device measured in the same run (protocol.md 2.1, 2.9). The matrices are
// drawn at random; it knows no model and computes no statistics.
package kernelspeed

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The states of the cache before a product.
const (
	// Cold: the matrix is one of several, used in turn, that exceed the last
	// cache twice over.
	Cold = "cold"
	// Hot: the same matrix as before, which fits the last cache together with
	// the vectors.
	Hot = "hot"
)

var caches = []string{Cold, Hot}

// A Shape is the size of a linear layer.
type Shape struct{ Out, In int }

func (s Shape) String() string { return fmt.Sprintf("%dx%d", s.Out, s.In) }

// models are the distinct shapes of the linear layers of known models.
var models = map[string][]Shape{
	"llama-2-7b":   {{4096, 4096}, {11008, 4096}, {4096, 11008}},
	"llama-3-8b":   {{4096, 4096}, {1024, 4096}, {14336, 4096}, {4096, 14336}},
	"llama-3.2-1b": {{2048, 2048}, {512, 2048}, {8192, 2048}, {2048, 8192}},
}

// Options says what to time.
type Options struct {
	Shapes []string `yaml:"shapes" doc:"names of models, such as llama-3-8b, or OUTxIN"`
	Batch  []int    `yaml:"batch" doc:"vectors that a matrix is multiplied with"`
	Cache  []string `yaml:"cache" doc:"whether the last cache holds the matrix before a product; cold, hot"`
	Blocks int      `yaml:"blocks" doc:"randomised complete blocks"`
	// Samples and Time are the ceilings of a product in a block: so many
	// samples, each of as many calls as fit its share of the time, at least
	// one.
	Samples int           `yaml:"samples" doc:"most samples of a product in a block"`
	Time    time.Duration `yaml:"time" doc:"most time of a product in a block; one sample is always taken"`

	// Slow remembers, by case, the products of which one call takes SlowTimes
	// the Time: they are timed in the first SlowBlocks blocks only.
	Slow map[string]map[string]bool `yaml:"-"`
}

// A product that takes long has fewer blocks, and so no interval.
const (
	SlowTimes  = 10
	SlowBlocks = 3
)

// DefaultOptions times the shapes of Llama-3.2-1B for half a second each over
// the blocks; six blocks are the fewest for which a median has a 95 % interval.
var DefaultOptions = Options{
	Shapes: []string{"llama-3.2-1b"}, Batch: []int{1, 8, 128}, Cache: []string{Cold, Hot},
	Blocks: 6, Samples: 5, Time: 90 * time.Millisecond,
}

// HalfWidth is the precision that is aimed at: the relative half-width of the
// median's 95 % interval (protocol.md 2.1).
const HalfWidth = 0.005

var shapePattern = regexp.MustCompile(`^([0-9]{1,6})x([0-9]{1,6})$`)

// shapesOf expands one entry of Shapes.
func shapesOf(entry string) ([]Shape, error) {
	if list, ok := models[entry]; ok {
		return list, nil
	}
	m := shapePattern.FindStringSubmatch(entry)
	if m == nil {
		return nil, fmt.Errorf("%q, want OUTxIN such as 4096x14336, or one of %s", entry, strings.Join(slices.Sorted(maps.Keys(models)), ", "))
	}
	out, _ := strconv.Atoi(m[1])
	in, _ := strconv.Atoi(m[2])
	if out < 1 || in < 1 {
		return nil, fmt.Errorf("%s, want at least 1x1", entry)
	}
	return []Shape{{out, in}}, nil
}

// List returns the shapes of sound options, each once, in order.
func (o Options) List() []Shape {
	var list []Shape
	for _, entry := range o.Shapes {
		shapes, _ := shapesOf(entry)
		for _, s := range shapes {
			if !slices.Contains(list, s) {
				list = append(list, s)
			}
		}
	}
	return list
}

// Choices returns, by scenario name, the words that fields may be.
func (Options) Choices() map[string][]string { return map[string][]string{"cache": caches} }

// Check returns every fault of o, each starting with the field's name.
func (o Options) Check() []error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for i, entry := range o.Shapes {
		if _, err := shapesOf(entry); err != nil {
			bad("shapes[%d]: %w", i, err)
		}
	}
	for i, b := range o.Batch {
		if b < 1 || b > maxBatch {
			bad("batch[%d]: %d, want 1 to %d", i, b, maxBatch)
		} else if slices.Contains(o.Batch[:i], b) {
			bad("batch[%d]: %d is there twice", i, b)
		}
	}
	for i, c := range o.Cache {
		if !slices.Contains(caches, c) {
			bad("cache[%d]: %q, want %s", i, c, strings.Join(caches, " or "))
		} else if slices.Contains(o.Cache[:i], c) {
			bad("cache[%d]: %s is there twice", i, c)
		}
	}
	for _, f := range []struct {
		name  string
		empty bool
	}{{"shapes", len(o.Shapes) == 0}, {"batch", len(o.Batch) == 0}, {"cache", len(o.Cache) == 0}} {
		if f.empty {
			bad("%s: empty, want at least one", f.name)
		}
	}
	if o.Blocks < 6 {
		bad("blocks: %d, want at least 6 (fewer give no 95 %% interval of a median)", o.Blocks)
	}
	if o.Samples < 1 {
		bad("samples: %d, want at least 1", o.Samples)
	}
	if o.Time < 0 {
		bad("time: %v, want 0 or more", o.Time)
	}
	return errs
}

// maxBatch keeps vectors within the memory of a small machine.
const maxBatch = 1 << 16
