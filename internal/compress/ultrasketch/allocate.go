package ultrasketch

import (
	"fmt"
	"math"
	"math/big"
	"slices"
)

// A Column is one input channel of a matrix, or with tiles some adjacent ones,
// as the allocation of cells sees it.
type Column struct {
	Class      uint8
	Weights    int64   // in the column
	Importance float64 // mean of its channels
}

// Allocate shares the cells of a sketch row among the classes of columns, by
// one of the rules of Options.Allocation (methods.md 3.6). With N_g the weights
// of class g and I_g their mean importance, class g gets
//
//	s_g = min(max(t·v_g, least), max(N_g, least)), v_g = N_g·I_g, N_g·I_g^½ or N_g,
//
// with the one t for which the sum is cells, rounded by largest remainder; of
// equal remainders the lowest class's is taken first. Columns of importance 0
// get the least for each class and, when all others are full, the rest. All
// arithmetic is exact, so the sum is too. The error says that there are fewer
// cells than least for each class, or more than weights.
func Allocate(rule string, columns []Column, least, cells int64) ([]uint32, error) {
	count := 0
	for _, c := range columns {
		count = max(count, int(c.Class)+1)
	}
	n := make([]int64, count)
	sums := make([]*big.Rat, count) // Σ weights·importance = N_g·I_g
	for g := range sums {
		sums[g] = new(big.Rat)
	}
	for _, c := range columns {
		n[c.Class] += c.Weights
		v := new(big.Rat).SetFloat64(c.Importance)
		sums[c.Class].Add(sums[c.Class], v.Mul(v, big.NewRat(c.Weights, 1)))
	}
	weights := make([]*big.Rat, count)
	capacity := make([]int64, count)
	for g, n := range n {
		capacity[g] = max(n, least)
		switch rule {
		case Proportional:
			weights[g] = sums[g]
		case SquareRoot:
			mean, _ := new(big.Rat).Quo(sums[g], big.NewRat(n, 1)).Float64()
			weights[g] = new(big.Rat).SetFloat64(math.Sqrt(mean))
			weights[g].Mul(weights[g], big.NewRat(n, 1))
		case Uniform:
			weights[g] = big.NewRat(n, 1)
		default:
			return nil, fmt.Errorf("allocation: %q, want one of %v", rule, allocations)
		}
	}
	shares, err := share(weights, capacity, least, cells)
	if err != nil {
		return nil, err
	}
	sizes := make([]uint32, count)
	for g, s := range shares {
		sizes[g] = uint32(s)
	}
	return sizes, nil
}

// share returns integers s_g of sum total, near min(max(t·weights[g], least),
// capacity[g]) with the one t that fits, as Allocate describes.
func share(weights []*big.Rat, capacity []int64, least, total int64) ([]int64, error) {
	var room, full int64 // of all classes; of those with a weight
	var worthless []int  // classes without
	for g, c := range capacity {
		room += c
		if weights[g].Sign() > 0 {
			full += c
		} else {
			worthless = append(worthless, g)
		}
	}
	if n := least * int64(len(weights)); total < n || total > room {
		return nil, fmt.Errorf("%d cells in a row for %d classes of %d weights, want %d to %d", total, len(weights), room, n, room)
	}
	if rest := total - full; len(worthless) > 0 && rest >= least*int64(len(worthless)) {
		return shareRest(worthless, capacity, least, rest)
	}
	t := multiplier(weights, capacity, least, total)
	parts := make([]*big.Rat, len(weights))
	for g, w := range weights {
		parts[g] = clamp(t, w, least, capacity[g])
	}
	return round(parts, total), nil
}

// shareRest fills every class but the worthless ones, and gives those the rest
// in proportion to their capacity.
func shareRest(worthless []int, capacity []int64, least, rest int64) ([]int64, error) {
	weights := make([]*big.Rat, len(worthless))
	caps := make([]int64, len(worthless))
	for i, g := range worthless {
		weights[i], caps[i] = big.NewRat(capacity[g], 1), capacity[g]
	}
	s, err := share(weights, caps, least, rest)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(capacity)
	for i, g := range worthless {
		all[g] = s[i]
	}
	return all, nil
}

// clamp returns min(max(t·w, least), capacity).
func clamp(t, w *big.Rat, least, capacity int64) *big.Rat {
	x := new(big.Rat).Mul(t, w)
	if least := big.NewRat(least, 1); x.Cmp(least) < 0 {
		return least
	}
	if c := big.NewRat(capacity, 1); x.Cmp(c) > 0 {
		return c
	}
	return x
}

// multiplier returns a t with Σ clamp(t·w_g) = total, for a total that some t
// reaches. The sum is piecewise linear in t and rises; its corners lie where a
// class meets a bound.
func multiplier(weights []*big.Rat, capacity []int64, least, total int64) *big.Rat {
	var corners []*big.Rat
	for g, w := range weights {
		if w.Sign() > 0 {
			inv := new(big.Rat).Inv(w)
			corners = append(corners, new(big.Rat).Mul(inv, big.NewRat(least, 1)), new(big.Rat).Mul(inv, big.NewRat(capacity[g], 1)))
		}
	}
	slices.SortFunc(corners, (*big.Rat).Cmp)
	sum := func(t *big.Rat) *big.Rat {
		s := new(big.Rat)
		for g, w := range weights {
			s.Add(s, clamp(t, w, least, capacity[g]))
		}
		return s
	}
	want := big.NewRat(total, 1)
	at, reached := new(big.Rat), sum(new(big.Rat))
	for _, t := range corners {
		s := sum(t)
		if s.Cmp(want) >= 0 {
			if s.Cmp(reached) == 0 {
				return t
			}
			// t₀ + (t₁−t₀)·(want−s₀)/(s₁−s₀)
			part := new(big.Rat).Sub(want, reached)
			part.Quo(part, new(big.Rat).Sub(s, reached))
			part.Mul(part, new(big.Rat).Sub(t, at))
			return part.Add(part, at)
		}
		at, reached = t, s
	}
	return at
}

// round rounds parts of sum total down, and adds one to those of the largest
// remainders until the sum is total again.
func round(parts []*big.Rat, total int64) []int64 {
	whole := make([]int64, len(parts))
	remainder := make([]*big.Rat, len(parts))
	order := make([]int, len(parts))
	for g, p := range parts {
		whole[g] = new(big.Int).Quo(p.Num(), p.Denom()).Int64()
		remainder[g] = new(big.Rat).Sub(p, big.NewRat(whole[g], 1))
		total -= whole[g]
		order[g] = g
	}
	slices.SortStableFunc(order, func(a, b int) int { return remainder[b].Cmp(remainder[a]) })
	for _, g := range order[:total] {
		whole[g]++
	}
	return whole
}
