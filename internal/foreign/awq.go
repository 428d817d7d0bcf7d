package foreign

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/internal/safetensors"
)

// awqOrder are the outputs, of eight adjacent ones, whose codes an AWQ word
// holds from its lowest bits up.
var awqOrder = [8]int{0, 2, 4, 6, 1, 3, 5, 7}

// openAWQ reads a folder of AWQ weights of version gemm. Of a layer of n outputs
// and d inputs in G groups there are qweight I32 [d, n/8], qzeros I32 [G, n/8],
// both with eight outputs to a word in awqOrder, and scales [G, n]. The weight
// is scale·(code − zero). The norms beside them are AWQ's own.
func (c *Checkpoint) openAWQ(dir string) error {
	q, config, err := readQuantConfig(dir)
	if err != nil {
		return err
	}
	c.Paths = append(c.Paths, config)
	if err := q.checkAWQ(config); err != nil {
		return err
	}
	ckpt, err := c.openFolder(dir)
	if err != nil {
		return err
	}
	c.whole = true
	var faults []error
	for _, m := range c.modules(ckpt, "qweight", "qzeros", "scales") {
		l, err := awqLayer(m, q)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		c.linears[weightName(m.name)] = l
	}
	return errors.Join(faults...)
}

// checkAWQ returns the faults of an AWQ folder's description, the file path.
func (q quantConfig) checkAWQ(path string) error {
	var faults []error
	bad := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
	}
	if q.Method != AWQ {
		bad("quant_method: %q, want %s", q.Method, AWQ)
	}
	if q.Bits != 4 {
		bad("bits: %d, want 4", q.Bits)
	}
	if q.Group < 1 && q.Group != -1 {
		bad("group_size: %d, want at least 1, or -1 for the whole row", q.Group)
	}
	if q.Version != "" && q.Version != "gemm" {
		bad("version: %q, want gemm", q.Version)
	}
	if q.ZeroPoint != nil && !*q.ZeroPoint {
		bad("zero_point: false, want true")
	}
	return errors.Join(faults...)
}

// awqLayer checks the tensors of a layer.
func awqLayer(m module, q quantConfig) (Linear, error) {
	qweight, err := m.words()
	if err != nil {
		return Linear{}, err
	}
	in, out := qweight.Shape[0], 8*qweight.Shape[1]
	group, groups := q.groupsOf(in)
	if err := errors.Join(m.want("qzeros", "I32", groups, out/8), m.want("scales", "F16", groups, out)); err != nil {
		return Linear{}, err
	}
	g := &packed.Grid{Out: out, In: in, Bits: 4, Group: group}
	zeros := make([]uint8, out*groups)
	awqCodes(zeros, m.parts["qzeros"], 0, out, 0, groups)
	setZeros(g, zeros)
	return gridLinear(m, g, func() []byte { return awqPack(qweight) }), nil
}

// awqCodes sets dst to the codes of outputs [r0,r1), multiples of 8, and rows
// [i0,i1) of a tensor [k, n/8], output by output.
func awqCodes(dst []uint8, t safetensors.Tensor, r0, r1, i0, i1 int) {
	words, width := t.Shape[1], i1-i0
	for i := i0; i < i1; i++ {
		for r := r0; r < r1; r += 8 {
			v := binary.LittleEndian.Uint32(t.Data[4*(i*words+r/8):])
			for j, o := range awqOrder {
				dst[(r-r0+o)*width+i-i0] = uint8(v>>(4*j)) & 15
			}
		}
	}
}

// awqPack returns the codes of a qweight as packed rows, tile by tile: in a
// tile, writes to one column stay within the first cache.
func awqPack(t safetensors.Tensor) []byte {
	in, out := t.Shape[0], 8*t.Shape[1]
	rb := packed.RowBytes(in, 4)
	dst := make([]byte, out*rb)
	const side = 64 // a multiple of 8
	codes := make([]uint8, side*side)
	for r0 := 0; r0 < out; r0 += side {
		r1 := min(r0+side, out)
		for i0 := 0; i0 < in; i0 += side {
			i1 := min(i0+side, in)
			awqCodes(codes, t, r0, r1, i0, i1)
			for r := r0; r < r1; r++ {
				row := codes[(r-r0)*(i1-i0):][:i1-i0]
				packed.PackRow(dst[r*rb+i0/2:(r+1)*rb], row, 4)
			}
		}
	}
	return dst
}
