package foreign

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/internal/safetensors"
)

// openGPTQ reads a folder of GPTQ weights. Of a layer of n outputs and d inputs
// in G groups there are qweight I32 [d·b/32, n], the codes of an output in one
// stream down a column; qzeros I32 [G, n·b/32], the zeros of a group in one
// stream along a row; scales [G, n] and, unless groups are adjacent columns,
// g_idx I32 [d], the group of each input. All streams have their lowest bits
// first. A zero is stored less one (checkpoint_format gptq, of AutoGPTQ) or as
// it is (gptq_v2). The weight is scale·(code − zero).
func (c *Checkpoint) openGPTQ(dir string) error {
	q, config, err := readQuantConfig(dir)
	if err != nil {
		return err
	}
	c.Paths = append(c.Paths, config)
	if err := q.checkGPTQ(config); err != nil {
		return err
	}
	ckpt, err := c.openFolder(dir)
	if err != nil {
		return err
	}
	c.whole = true
	var faults []error
	for _, m := range c.modules(ckpt, "qweight", "qzeros", "scales", "g_idx") {
		l, err := gptqLayer(m, q)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		c.linears[weightName(m.name)] = l
	}
	return errors.Join(faults...)
}

// checkGPTQ returns the faults of a GPTQ folder's description, the file path.
func (q quantConfig) checkGPTQ(path string) error {
	var faults []error
	bad := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
	}
	if q.Method != GPTQ {
		bad("quant_method: %q, want %s", q.Method, GPTQ)
	}
	if !slices.Contains([]int{2, 3, 4, 8}, q.Bits) {
		bad("bits: %d, want one of 2, 3, 4, 8", q.Bits)
	}
	if q.Group < 1 && q.Group != -1 {
		bad("group_size: %d, want at least 1, or -1 for the whole row", q.Group)
	}
	if q.Checkpoint != "" && q.Checkpoint != "gptq" && q.Checkpoint != "gptq_v2" {
		bad("checkpoint_format: %q, want gptq or gptq_v2", q.Checkpoint)
	}
	if s := string(q.Dynamic); s != "" && s != "null" && s != "{}" {
		bad("dynamic: settings of single layers are not implemented")
	}
	return errors.Join(faults...)
}

// gptqLayer checks the tensors of a layer.
func gptqLayer(m module, q quantConfig) (Linear, error) {
	qweight, err := m.words()
	if err != nil {
		return Linear{}, err
	}
	out, in := qweight.Shape[1], qweight.Shape[0]*32/q.Bits
	if in*q.Bits != 32*qweight.Shape[0] || out*q.Bits%32 != 0 {
		return Linear{}, fmt.Errorf("%s: tensor %s: shape %v holds no whole number of rows and columns at %d bits", m.file, qweight.Name, qweight.Shape, q.Bits)
	}
	group, groups := q.groupsOf(in)
	err = errors.Join(
		m.want("qzeros", "I32", groups, out*q.Bits/32),
		m.want("scales", "F16", groups, out))
	if _, ok := m.parts["g_idx"]; ok {
		err = errors.Join(err, m.want("g_idx", "I32", in))
	}
	if err != nil {
		return Linear{}, err
	}
	index, err := groupIndex(m.parts["g_idx"], group, groups)
	if err != nil {
		return Linear{}, fmt.Errorf("%s: tensor %s: %w", m.file, m.parts["g_idx"].Name, err)
	}
	zeros := gptqZeros(m.parts["qzeros"], q, groups, out)
	g := &packed.Grid{Out: out, In: in, Bits: q.Bits, Group: group, Index: index}
	setZeros(g, zeros)
	return gridLinear(m, g, func() []byte { return transposeWords(qweight) }), nil
}

// words returns the packed codes of a layer, a matrix of 32-bit words.
func (m module) words() (safetensors.Tensor, error) {
	t := m.parts["qweight"]
	if t.DType != "I32" || len(t.Shape) != 2 || t.Len() == 0 {
		return t, fmt.Errorf("%s: tensor %s: %s %v, want I32 of two dimensions", m.file, t.Name, t.DType, t.Shape)
	}
	return t, nil
}

// groupsOf returns the width of a group and the number of groups of a row; a
// group is at most the row.
func (q quantConfig) groupsOf(in int) (group, groups int) {
	group = q.Group
	if group < 0 || group > in {
		group = in
	}
	return group, (in-1)/group + 1
}

// gridLinear describes a layer on grids whose codes are made when it is asked
// for.
func gridLinear(m module, g *packed.Grid, codes func() []byte) Linear {
	groups := g.Groups()
	l := Linear{Out: g.Out, In: g.In, Bits: float64(g.Bits), file: m.file}
	l.Bytes = int64(g.Out)*(int64(packed.RowBytes(g.In, g.Bits))+2*int64(groups)) + int64(len(g.Zero)) + 4*int64(len(g.Index))
	scales := m.parts["scales"]
	l.weight = func(packed.Weight) (packed.Weight, error) {
		w := *g
		w.Codes = codes()
		w.Scale = make([]uint16, g.Out*groups)
		for i := range w.Scale {
			r, k := i/groups, i%groups
			w.Scale[i] = binary.LittleEndian.Uint16(scales.Data[2*(k*g.Out+r):])
		}
		if err := w.Check(); err != nil {
			return nil, fmt.Errorf("tensor %s: %w", scales.Name, err)
		}
		return &w, nil
	}
	return l
}

// groupIndex returns the group of each input channel, nil where groups are
// adjacent columns in their order.
func groupIndex(t safetensors.Tensor, group, groups int) ([]uint32, error) {
	index := make([]uint32, len(t.Data)/4)
	adjacent := true
	for c := range index {
		k := binary.LittleEndian.Uint32(t.Data[4*c:])
		if k >= uint32(groups) {
			return nil, fmt.Errorf("value %d is %d, want below the %d groups", c, int32(k), groups)
		}
		index[c] = k
		adjacent = adjacent && int(k) == c/group
	}
	if adjacent {
		return nil, nil
	}
	return index, nil
}

// gptqZeros returns the zeros of rows and groups, row by row. Of those stored
// less one, a stored 2^b − 1 is a zero of 0, as AutoGPTQ's unpacking has it,
// which masks after adding one.
func gptqZeros(t safetensors.Tensor, q quantConfig, groups, out int) []uint8 {
	one := uint8(1)
	if q.Checkpoint == "gptq_v2" {
		one = 0
	}
	zeros := make([]uint8, out*groups)
	row := make([]uint8, out)
	stride := packed.RowBytes(out, q.Bits)
	for g := range groups {
		packed.UnpackRow(row, t.Data[g*stride:(g+1)*stride], out, q.Bits)
		for r, z := range row {
			zeros[r*groups+g] = (z + one) & uint8(1<<q.Bits-1)
		}
	}
	return zeros
}

// setZeros stores zeros, or none where all are that of a symmetric grid.
func setZeros(g *packed.Grid, zeros []uint8) {
	middle := uint8(1 << g.Bits / 2)
	if !slices.ContainsFunc(zeros, func(z uint8) bool { return z != middle }) {
		g.Symmetric = true
		return
	}
	g.Zero = make([]byte, packed.RowBytes(len(zeros), g.Bits))
	packed.PackRow(g.Zero, zeros, g.Bits)
}

// transposeWords returns the 32-bit words of a two-dimensional tensor column by
// column. A column of GPTQ's codes is then a row of packed.PackRow's.
func transposeWords(t safetensors.Tensor) []byte {
	rows, cols := t.Shape[0], t.Shape[1]
	dst := make([]byte, len(t.Data))
	const block = 16 // columns: a cache line of words
	for c0 := 0; c0 < cols; c0 += block {
		for r := range rows {
			for c := c0; c < min(c0+block, cols); c++ {
				copy(dst[4*(c*rows+r):][:4], t.Data[4*(r*cols+c):][:4])
			}
		}
	}
	return dst
}
