package sketchtune

import (
	"math"
	"testing"
)

// llama returns the shapes of the linear layers of a decoder layer.
func llama(hidden, kv, mlp int) [][2]int {
	return [][2]int{{hidden, hidden}, {kv, hidden}, {kv, hidden}, {hidden, hidden}, {mlp, hidden}, {mlp, hidden}, {hidden, mlp}}
}

// TestCheck4Sizes pins methods.md 2.7: rows, weights, bits per weight averaged
// over the sketched matrices and trained values in millions, also as the
// published README rounds them, from the shapes of the models.
func TestCheck4Sizes(t *testing.T) {
	const million = 1e6
	for _, m := range []struct {
		name                   string
		hidden, kv, mlp, depth int
		rows, linear           float64
		values                 [4]float64 // 2^4 per table, millions, gpr 1 2 4 8
		published              [4]float64 // the README's
		bpw                    [3][4]float64
	}{
		{"Llama-2-7B", 4096, 4096, 11008, 32, 1359872, 6476005376, [4]float64{21.76, 43.52, 87.03, 174.06}, [4]float64{21.8, 43.5, 87.0, 174.1},
			[3][4]float64{{2.013, 2.027, 2.054, 2.108}, {3.027, 3.054, 3.108, 3.215}, {4.054, 4.108, 4.215, 4.430}}},
		{"Llama-13B", 5120, 5120, 13824, 40, 2129920, 12687769600, [4]float64{34.08, 68.16, 136.31, 272.63}, [4]float64{34.1, 68.2, 136.3, 272.6},
			[3][4]float64{{2.011, 2.021, 2.043, 2.086}, {3.021, 3.043, 3.086, 3.172}, {4.043, 4.086, 4.172, 4.344}}},
		{"Llama-3-8B", 4096, 1024, 14336, 32, 1376256, 6979321856, [4]float64{22.02, 44.04, 88.08, 176.16}, [4]float64{22.0, 44.0, 88.1, 176.2},
			[3][4]float64{{2.013, 2.025, 2.050, 2.101}, {3.025, 3.050, 3.101, 3.202}, {4.050, 4.101, 4.202, 4.404}}},
		{"Llama-3.2-1B", 2048, 512, 8192, 16, 376832, 973078528, [4]float64{6.03, 12.06, 24.12, 48.23}, [4]float64{},
			[3][4]float64{{2.025, 2.050, 2.099, 2.198}, {3.050, 3.099, 3.198, 3.397}, {4.099, 4.198, 4.397, 4.793}}},
	} {
		shapes := llama(m.hidden, m.kv, m.mlp)
		for b, bits := range []int{2, 3, 4} {
			for g, gpr := range []int{1, 2, 4, 8} {
				o := DefaultOptions()
				o.Bits, o.GPR = bits, gpr
				var stored, weights, values, rows float64
				for _, s := range shapes {
					rows += float64(s[0])
					n := float64(s[0] * s[1])
					weights += n
					stored += n * storedBits(o, s[0], s[1])
					values += float64(s[0] * gpr << bits)
				}
				if d := float64(m.depth); rows*d != m.rows || weights*d != m.linear {
					t.Errorf("%s: %v rows, %v weights, want %v and %v", m.name, rows*d, weights*d, m.rows, m.linear)
				}
				if got := stored / weights; math.Abs(got-m.bpw[b][g]) > 0.0005001 {
					t.Errorf("%s, %d bits, gpr %d: %.4f bits per weight, want %v", m.name, bits, gpr, got, m.bpw[b][g])
				}
				if got := values * float64(m.depth) / million; bits == 4 && math.Abs(got-m.values[g]) > 0.005001 {
					t.Errorf("%s, gpr %d: %.3f M values, want %v", m.name, gpr, got, m.values[g])
				} else if want := m.published[g]; bits == 4 && want > 0 && math.Round(10*got)/10 != want {
					t.Errorf("%s, gpr %d: %.3f M values, published %v", m.name, gpr, got, want)
				}
			}
		}
	}
}

// storedBits returns the bits per weight of an out×in matrix.
func storedBits(o Options, out, in int) float64 {
	return 8 * float64(StoredBytes(o, out, in)) / (float64(out) * float64(in))
}
