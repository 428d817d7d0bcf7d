package summary

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"strings"
)

// A Spread is what cases came to that differ in nothing but a seed, the
// method's or the calibration's. Every case is one independent value.
type Spread struct {
	Label  string // the cases' without the seeds
	Method string
	Params map[string]any // without the seed of the calibration
	Cases  int
	// Perplexity is the geometric mean, with the t interval of the mean
	// logarithm; the others are means with t intervals. They count the cases
	// that have the number.
	Perplexity, WeightError, OutputError, KL Estimate
	// Deviation is the standard deviation of ln perplexity between cases;
	// missing below two.
	Deviation Estimate
}

// Patterns of seeds in labels and in the description of a calibration.
var (
	seedWord        = regexp.MustCompile(` seed=[0-9]+`)
	calibrationWord = regexp.MustCompile(`( calibration=[^ ]*),seed[0-9]+`)
	calibrationSeed = regexp.MustCompile(` seed [0-9]+$`)
)

// Spreads returns the cases of g that seeds alone tell apart, two or more each,
// in order of first appearance.
func (g *Group) Spreads() []Spread {
	var order []string
	rows := map[string][]Row{}
	for _, r := range g.Rows {
		key := fmt.Sprint(r.Method, seedless(r.Params), bare(r.Label))
		if rows[key] == nil {
			order = append(order, key)
		}
		rows[key] = append(rows[key], r)
	}
	var spreads []Spread
	for _, key := range order {
		if rs := rows[key]; len(rs) > 1 {
			spreads = append(spreads, spreadOf(rs))
		}
	}
	return spreads
}

// bare is a label without seeds.
func bare(label string) string {
	return calibrationWord.ReplaceAllString(seedWord.ReplaceAllString(label, ""), "$1")
}

// seedless is params without the seed of the calibration.
func seedless(params map[string]any) map[string]any {
	p := maps.Clone(params)
	if c, ok := p["calibration"].(string); ok {
		p["calibration"] = calibrationSeed.ReplaceAllString(c, "")
	}
	return p
}

func spreadOf(rows []Row) Spread {
	s := Spread{Label: strings.TrimSpace(bare(rows[0].Label)), Method: rows[0].Method, Params: seedless(rows[0].Params), Cases: len(rows)}
	logs := func(r Row) Estimate {
		e := r.Perplexity.Estimate
		e.Value = math.Log(e.Value)
		return e
	}
	s.Perplexity = overCases(rows, logs).exp()
	s.WeightError = overCases(rows, func(r Row) Estimate { return r.WeightError })
	s.OutputError = overCases(rows, func(r Row) Estimate { return r.OutputError })
	s.KL = overCases(rows, func(r Row) Estimate { return r.Divergence.KL })
	s.Deviation = deviation(rows, logs)
	return s
}

// numbers are the values of the rows that have one.
func numbers(rows []Row, pick func(Row) Estimate) []float64 {
	var xs []float64
	for _, r := range rows {
		if e := pick(r); e.Missing == "" && !math.IsNaN(e.Value) && !math.IsInf(e.Value, 0) {
			xs = append(xs, e.Value)
		}
	}
	return xs
}

// overCases is the mean over cases with its t interval; of fewer than two cases
// there is no interval.
func overCases(rows []Row, pick func(Row) Estimate) Estimate {
	xs := numbers(rows, pick)
	if len(xs) == 0 {
		return missing("measured for no seed")
	}
	mean, sd := meanSD(xs)
	e := exact(mean)
	if e.N = len(xs); e.N < 2 {
		e.warn("of one seed: no interval")
		return e
	}
	e.Method = "t over seeds"
	e.tInterval(sd/math.Sqrt(float64(e.N)), e.N-1)
	return e
}

func deviation(rows []Row, pick func(Row) Estimate) Estimate {
	xs := numbers(rows, pick)
	if len(xs) < 2 {
		return missing("measured for fewer than two seeds")
	}
	_, sd := meanSD(xs)
	e := exact(sd)
	e.N = len(xs)
	return e
}

// meanSD returns the mean and the standard deviation with n-1.
func meanSD(xs []float64) (mean, sd float64) {
	for _, x := range xs {
		mean += x / float64(len(xs))
	}
	for _, x := range xs {
		sd += (x - mean) * (x - mean)
	}
	return mean, math.Sqrt(sd / float64(max(len(xs)-1, 1)))
}
