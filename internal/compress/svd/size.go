package svd

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Values of ranks.
const (
	Uniform   = "uniform"   // every matrix has the rank that its own size gives
	Waterfill = "waterfill" // the same bytes in all, shared by Share
)

// A Size says which rank a matrix gets; svd, asvd and svdllm share it.
type Size struct {
	// Bits is the size aimed at, in bits per weight, above 0 and at most 16.
	Bits float64
	// Rank is the rank of every matrix; 0 takes the largest that Bits allows.
	Rank int
	// Ranks is Uniform or Waterfill.
	Ranks string
}

// Choices returns, by scenario name, the words that fields may be.
func (Size) Choices() map[string][]string {
	return map[string][]string{"ranks": {Uniform, Waterfill}}
}

// Check returns the faults, each starting with the field.
func (s Size) Check() []error {
	var errs []error
	if !(s.Bits > 0 && s.Bits <= 16) {
		errs = append(errs, fmt.Errorf("bits: %v, want above 0 and at most 16", s.Bits))
	}
	if s.Rank < 0 {
		errs = append(errs, fmt.Errorf("rank: %d, want at least 1, or 0 for the rank that bits allow", s.Rank))
	}
	if all := s.Choices()["ranks"]; !slices.Contains(all, s.Ranks) {
		errs = append(errs, fmt.Errorf("ranks: %q, want one of %s", s.Ranks, strings.Join(all, ", ")))
	}
	return errs
}

// RankOf returns the rank of an out×in matrix, before ranks are shared; 0 says
// that not even rank 1 fits.
func (s Size) RankOf(out, in int) int {
	if s.Rank > 0 {
		return s.Rank
	}
	return Rank(s.Bits, out, in)
}

// CheckShape refuses a size that an out×in matrix cannot have.
func (s Size) CheckShape(out, in int) error {
	switch {
	case s.Rank > min(out, in):
		return CheckRank(s.Rank, out, in)
	case s.RankOf(out, in) < 1:
		return fmt.Errorf("bits: %v are too few for rank 1 of a %d×%d matrix, which takes %.3g bits per weight", s.Bits, out, in, Smallest(out, in))
	}
	return nil
}

// CheckRank refuses a rank above the smaller side.
func CheckRank(rank, out, in int) error {
	if rank <= min(out, in) {
		return nil
	}
	return fmt.Errorf("rank: %d for a %d×%d matrix, want at most %d", rank, out, in, min(out, in))
}

// Nominal returns the bits per weight aimed at, 0 where the rank is given.
func (s Size) Nominal() float64 {
	if s.Rank > 0 {
		return 0
	}
	return s.Bits
}

// StoredBytes returns the bytes of an out×in matrix of its own rank.
func (s Size) StoredBytes(out, in int) int64 { return Bytes(s.RankOf(out, in), out, in) }

// Bytes returns what the factors of an out×in matrix take.
func Bytes(rank, out, in int) int64 { return 2 * int64(rank) * (int64(out) + int64(in)) }

// Fit returns the rank at which an out×in matrix takes at most so many bytes.
// The error names the fewest bytes that it can take.
func Fit(bytes int64, out, in int) (int, error) {
	r := RankForBytes(bytes, out, in)
	if r < 1 {
		return 0, fmt.Errorf("%d bytes are too few for rank 1 of a %d×%d matrix, which takes %d", bytes, out, in, Bytes(1, out, in))
	}
	return r, nil
}

// Rank returns the largest rank at which an out×in matrix takes at most bits
// per weight, ⌊bits·out·in/(16·(out+in))⌋, and at most min(out, in). It is 0
// if not even rank 1 fits; Smallest gives the bits that rank 1 needs.
func Rank(bits float64, out, in int) int {
	// The bits that a rank takes must give that rank back, so a quotient within
	// rounding below an integer counts as that integer.
	r := math.Floor(bits * float64(out) * float64(in) / (16 * float64(out+in)) * (1 + 1e-12))
	return int(min(r, float64(min(out, in))))
}

// RankForBytes returns the largest rank at which an out×in matrix takes at
// most so many bytes, and at most min(out, in): 2·(out+in) bytes for each.
func RankForBytes(bytes int64, out, in int) int {
	return int(min(bytes/(2*(int64(out)+int64(in))), int64(min(out, in))))
}

// Smallest returns the fewest bits per weight that an out×in matrix can have,
// those of rank 1.
func Smallest(out, in int) float64 {
	return 16 * float64(out+in) / (float64(out) * float64(in))
}
