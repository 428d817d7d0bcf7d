package corpus

import (
	"fmt"
	"math/rand/v2"
)

// calibrationStream separates this use of a seed from others.
const calibrationStream = 0x63616c6962726174

// Calibration draws sequences of length tokens from a calibration text, joined
// by Rows and encoded without BOS, as the windows of published calibration
// sets are (a window from the middle of a text starts with no BOS).
//
// With T tokens in the text there are p = ⌊T/length⌋ disjoint pieces. If p is
// at least sequences, the pieces start at a random offset in [0, T-p·length]
// and the sequences are a random choice of them without replacement, in the
// order drawn: a smaller number with the same seed gives the beginning of a
// larger one. Otherwise the sequences start at distinct random places in [0,
// T-length] and overlap. A text with fewer places than sequences, or shorter
// than one, is an error. Equal arguments give equal sequences.
func Calibration(tok Encoder, text string, sequences, length int, seed uint64) ([][]int, error) {
	if sequences < 1 || length < 1 {
		return nil, fmt.Errorf("calibration: sequences %d, length %d, want at least 1", sequences, length)
	}
	joined, err := Join(text, Rows)
	if err != nil {
		return nil, err
	}
	stream, err := tok.Encode(joined)
	if err != nil {
		return nil, fmt.Errorf("calibration: %w", err)
	}
	places := len(stream) - length + 1
	if places < 1 {
		return nil, fmt.Errorf("calibration: the text has %d tokens, want at least length %d", len(stream), length)
	}
	rng := rand.New(rand.NewPCG(seed, calibrationStream))
	pieces := len(stream) / length
	offset, step := 0, 1
	if pieces >= sequences {
		offset, step, places = rng.IntN(len(stream)-pieces*length+1), length, pieces
	}
	if places < sequences {
		return nil, fmt.Errorf("calibration: %d sequences of %d tokens, but the text of %d tokens has only %d places to start", sequences, length, len(stream), places)
	}
	out := make([][]int, sequences)
	for i, k := range choose(rng, places, sequences) {
		begin := offset + k*step
		out[i] = append([]int(nil), stream[begin:begin+length]...)
	}
	return out, nil
}

// choose draws k of the numbers 0 to n-1 without replacement: a Fisher-Yates
// shuffle that stops after k steps and stores only what it has moved.
func choose(rng *rand.Rand, n, k int) []int {
	moved := make(map[int]int, k)
	at := func(i int) int {
		if v, ok := moved[i]; ok {
			return v
		}
		return i
	}
	out := make([]int, k)
	for i := range out {
		j := i + rng.IntN(n-i)
		out[i] = at(j)
		moved[j] = at(i)
	}
	return out
}
