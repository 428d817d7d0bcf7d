package foreign

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// openExternal reads a folder of dequantised weights under the model's names.
// Nothing in it says what the compressed weights took: that is declared, as bits
// per weight or as the bytes of every linear layer in a JSON object.
func (c *Checkpoint) openExternal(s Source, model []Spec) error {
	declared := map[string]int64{}
	var faults []error
	path := filepath.Join(s.Path, s.Declaration)
	if s.Declaration != "" {
		if err := readJSON(path, &declared); err != nil {
			return err
		}
		c.Paths = append(c.Paths, path)
	}
	ckpt, err := c.openFolder(s.Path)
	if err != nil {
		return err
	}
	c.whole = true
	c.rest(ckpt, nil)
	for _, spec := range model {
		t, ok := c.plain[spec.Name]
		if !ok || !spec.Linear || len(t.Shape) != 2 {
			continue
		}
		d := &packed.Dense{Out: t.Shape[0], In: t.Shape[1], DType: t.DType, Data: t.Data}
		l := Linear{Out: d.Out, In: d.In, file: c.plainIn[t.Name], Bits: s.Bits}
		l.Bytes = d.Bytes()
		l.weight = func(packed.Weight) (packed.Weight, error) {
			if i, bad := t.FirstNonFinite(); bad {
				return nil, fmt.Errorf("tensor %s: value %d is not finite", t.Name, i)
			}
			return d, nil
		}
		count := float64(d.Out) * float64(d.In)
		l.Declared = int64(math.Ceil(s.Bits * count / 8))
		if s.Declaration != "" {
			n, ok := declared[t.Name]
			if !ok || n < 1 || n > int64(4*count) {
				faults = append(faults, fmt.Errorf("%s: tensor %s: %d bytes declared, want 1 to %d", path, t.Name, n, int64(4*count)))
				continue
			}
			l.Declared, l.Bits = n, 8*float64(n)/count
			delete(declared, t.Name)
		}
		if err := d.Check(); err != nil {
			faults = append(faults, fmt.Errorf("%s: tensor %s: %w", l.file, t.Name, err))
			continue
		}
		c.linears[t.Name] = l
		delete(c.plain, t.Name)
	}
	for _, name := range sortedKeys(declared) {
		faults = append(faults, fmt.Errorf("%s: tensor %s: declared, but no linear layer in the folder", path, name))
	}
	return errors.Join(faults...)
}
