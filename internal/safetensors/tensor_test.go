package safetensors

import (
	"encoding/binary"
	"math"
	"testing"
)

// TestWidenF16 compares all patterns with the definition of binary16.
func TestWidenF16(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		e, m := int(h>>10)&31, float64(h&1023)
		want := math.Ldexp(1024+m, e-25)
		if e == 0 {
			want = math.Ldexp(m, -24)
		} else if e == 31 {
			want = math.Inf(1)
			if m > 0 {
				want = math.NaN()
			}
		}
		want = math.Copysign(want, 0.5-float64(h>>15))
		got := float64(widenF16(h))
		if math.Float64bits(got) != math.Float64bits(want) && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Fatalf("%#04x: %v, want %v", h, got, want)
		}
	}
}

// TestFirstNonFinite puts each pattern of a 16-bit type, and the edges of the
// others, at every place of short arrays among large finite values.
func TestFirstNonFinite(t *testing.T) {
	type pattern struct {
		bits uint64
		bad  bool
	}
	f32, f64 := math.Float32bits, math.Float64bits
	all := map[string][]pattern{
		"F32": {{uint64(f32(math.MaxFloat32)), false}, {0x7f800000, true}, {0xff800000, true}, {0x7f800001, true}, {0xffffffff, true}, {1, false}, {0x80000000, false}},
		"F64": {{f64(math.MaxFloat64), false}, {f64(math.Inf(-1)), true}, {f64(math.NaN()), true}, {0x7fe0000000000000, false}},
	}
	for i := range uint64(1 << 16) {
		all["F16"] = append(all["F16"], pattern{i, i&0x7c00 == 0x7c00})
		all["BF16"] = append(all["BF16"], pattern{i, i&0x7f80 == 0x7f80})
	}
	fill := map[string]uint64{"F32": 0xff7fffff, "F64": 0xffefffffffffffff, "F16": 0xfbff, "BF16": 0xff7f}
	for dtype, patterns := range all {
		size := dtypeSize(dtype)
		n := 20/size + 1
		clean := make([]byte, 0, n*size+8)
		for range n {
			clean = binary.LittleEndian.AppendUint64(clean, fill[dtype])[:len(clean)+size]
		}
		data := make([]byte, len(clean))
		for _, p := range patterns {
			for at := range n {
				copy(data, clean)
				var v [8]byte
				binary.LittleEndian.PutUint64(v[:], p.bits)
				copy(data[at*size:], v[:size])
				i, bad := Tensor{DType: dtype, Shape: []int{n}, Data: data}.FirstNonFinite()
				if bad != p.bad || bad && i != at {
					t.Fatalf("%s %#x at %d: got %d, %v", dtype, p.bits, at, i, bad)
				}
			}
		}
	}
	if _, bad := (Tensor{DType: "U8", Shape: []int{1}, Data: []byte{255}}).FirstNonFinite(); bad {
		t.Error("an integer is not finite")
	}
}

func BenchmarkFloat32(b *testing.B) {
	for _, dtype := range []string{"F32", "F16", "BF16"} {
		b.Run(dtype, func(b *testing.B) {
			x := Tensor{DType: dtype, Data: make([]byte, 1<<20)}
			for i := range x.Data {
				x.Data[i] = byte(i * 37 % 64)
			}
			dst := make([]float32, x.Len())
			b.SetBytes(1 << 20)
			for b.Loop() {
				if err := x.Float32(dst); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkFirstNonFinite(b *testing.B) {
	x := Tensor{DType: "BF16", Data: make([]byte, 1<<20)}
	b.SetBytes(1 << 20)
	for b.Loop() {
		if _, bad := x.FirstNonFinite(); bad {
			b.Fatal("zeros are not finite")
		}
	}
}
