package summary

import (
	"cmp"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/sketchbench/sketchbench/results"
)

// An Update is how well a case's mapping, and low rank, approximate one matrix Δ:
// the update of a tensor, or matrices drawn with one prescribed spectrum.
type Update struct {
	Item string
	// Size and Eta are those of drawn n×n matrices with σ² ~ i^(−Eta); Size is 0
	// for a tensor.
	Size int
	Eta  float64
	// Weights is out·in, Entries the number of the case's table entries.
	Weights, Entries float64
	Norm             Estimate // ‖Δ‖F/‖W‖F; missing for drawn matrices
	// Relative errors ‖Δ−Δ̂‖F/‖Δ‖F: of the projection on the case's mapping, of the
	// optimal k-means of Δ, of random buckets.
	Projection, KMeans, Random Estimate
	// Low rank at its optimum: of rank 8, of as many trainable numbers as the
	// tables, of as many bytes as the case stores.
	Rank8, Trainable, Bytes LowRank
	Rank75                  Estimate // least rank with 75 % of the energy
	Exponent                Estimate // η of σ² ~ i^(−η), t interval with HC3
	Alpha                   float64  // Weights/Entries
	Threshold               float64  // of the theorem at Alpha
	Predicted               Winner   // Unsure where Exponent's interval holds Threshold
	// Measured is who has the smaller error at equal trainable numbers, in most
	// draws; Wins counts the draws of the sketch.
	Measured    Winner
	Wins, Draws int
}

// A LowRank is the best approximation of one rank.
type LowRank struct {
	Rank  float64
	Error Estimate
}

// A Winner is what approximates Δ better.
type Winner string

// Winners.
const (
	SketchWins  Winner = "sketch"
	LowRankWins Winner = "low rank"
	Unsure      Winner = "unsure"
)

// A Versus compares the errors of a case's projection with those of low rank of
// one kind over the matrices of a model (protocol.md 2.7).
type Versus struct {
	Against string // RankEight, EqualTrainables or EqualBytes
	// Ratio is exp of the Hodges-Lehmann estimate of ln(sketch/low rank), with
	// P of Wilcoxon's signed-rank test; below 1 the sketch is better.
	Ratio Estimate
	// Wins counts the matrices on which the sketch has the smaller error, Pairs
	// those on which the errors differ; SignP is the exact sign test's.
	Wins, Pairs int
	SignP       float64
	// Whole is the ratio of √(Σ‖Δ−Δ̂‖²/Σ‖Δ‖²) over all matrices, in which large
	// updates weigh more.
	Whole float64
}

// What a sketch is compared with.
const (
	RankEight       = "rank 8"
	EqualTrainables = "equal trainable numbers"
	EqualBytes      = "equal bytes"
)

// updatePrefix begins the name of every metric of updates.
const updatePrefix = "update_"

// isUpdate reports whether v is of an update and not of the weights themselves.
func isUpdate(v results.Record) bool { return strings.HasPrefix(v.Metric, updatePrefix) }

var drawnPattern = regexp.MustCompile(`^([0-9]+)x[0-9]+,eta([0-9.e+-]+)$`)

// samples are the values of one item by metric and draw, without the prefix.
type samples map[string]map[int]results.Record

// updates fills what the records of approx say of updates.
func (row *Row) updates(values []results.Record) {
	byItem := map[string]samples{}
	var items []string
	for _, v := range values {
		if !isUpdate(v) {
			continue
		}
		s := byItem[v.Item]
		if s == nil {
			s = samples{}
			byItem[v.Item] = s
			items = append(items, v.Item)
		}
		metric := strings.TrimPrefix(v.Metric, updatePrefix)
		if s[metric] == nil {
			s[metric] = map[int]results.Record{}
		}
		s[metric][v.Sample] = v
	}
	for _, item := range items {
		row.Updates = append(row.Updates, updateOf(item, byItem[item]))
	}
	row.Versus = versus(items, byItem)
	row.Crossovers = crossovers(row.Updates, byItem)
}

// errors returns the relative errors of a metric over draws. The random buckets
// of a tensor have more draws than its one Δ.
func (s samples) errors(metric string) []float64 {
	var xs []float64
	for _, i := range sortedInts(s[metric]) {
		sq, ok := s["sq"][i]
		if !ok {
			sq = s["sq"][0]
		}
		if sq.Value > 0 {
			xs = append(xs, math.Sqrt(s[metric][i].Value/sq.Value))
		}
	}
	return xs
}

// estimate returns the mean of the relative errors of a metric.
func (s samples) estimate(metric string) Estimate {
	if sq, ok := s["sq"][0]; ok && sq.Value == 0 {
		return missing("the matrix did not change")
	}
	xs := s.errors(metric)
	if len(xs) == 0 {
		return missing("%s%s is not among the records, or a filter leaves it out", updatePrefix, metric)
	}
	return mean(xs)
}

// updateOf forms the numbers of one item.
func updateOf(item string, s samples) Update {
	u := Update{Item: item, Projection: s.estimate("projection_err_sq"), KMeans: s.estimate("kmeans_err_sq"), Random: s.estimate("random_err_sq"),
		Rank8: s.lowRank("rank8_err_sq"), Trainable: s.lowRank("trainable_err_sq"), Bytes: s.lowRank("bytes_err_sq"),
		Norm: missing("a drawn matrix is no update of weights"), Rank75: missing("the matrix did not change"), Exponent: missing("too few singular values for a fit"),
		Weights: weight(s["sq"][0]), Entries: weight(s["projection_err_sq"][0]), Alpha: math.NaN(), Threshold: math.NaN()}
	if m := drawnPattern.FindStringSubmatch(item); m != nil {
		u.Size, _ = strconv.Atoi(m[1])
		u.Eta, _ = strconv.ParseFloat(m[2], 64)
	}
	if base := s["base_sq"][0]; base.Value > 0 {
		u.Norm = exact(math.Sqrt(s["sq"][0].Value / base.Value))
	}
	if r, ok := s["rank75"][0]; ok {
		u.Rank75 = exact(r.Value)
	}
	if eta, ok := s["exponent"][0]; ok {
		u.Exponent = exact(eta.Value)
		u.Exponent.N, u.Exponent.Method = int(weight(eta)), "t with HC3"
		u.Exponent.tInterval(s["exponent_se"][0].Value, int(weight(eta))-2)
	}
	if _, ok := s["projection_err_sq"]; ok && len(s["sq"]) > 0 {
		u.Alpha = u.Weights / u.Entries
		u.Threshold = Threshold(u.Alpha)
	}
	u.judge(s)
	return u
}

// lowRank returns the error of a metric with its rank.
func (s samples) lowRank(metric string) LowRank {
	return LowRank{s[metric][0].Weight, s.estimate(metric)}
}

// judge fills who is predicted and who is measured to be better.
func (u *Update) judge(s samples) {
	switch e := u.Exponent; {
	case e.Missing != "" || math.IsNaN(u.Threshold):
	case e.Hi <= u.Threshold:
		u.Predicted = SketchWins
	case e.Lo > u.Threshold:
		u.Predicted = LowRankWins
	default:
		u.Predicted = Unsure
	}
	low := s["trainable_err_sq"]
	for i, v := range s["projection_err_sq"] {
		if l, ok := low[i]; ok {
			u.Draws++
			if v.Value < l.Value {
				u.Wins++
			}
		}
	}
	switch {
	case u.Draws == 0:
	case 2*u.Wins > u.Draws:
		u.Measured = SketchWins
	case 2*u.Wins < u.Draws:
		u.Measured = LowRankWins
	default:
		u.Measured = Unsure
	}
}

// versus compares over the tensors of a case; nil where there are none.
func versus(items []string, byItem map[string]samples) []Versus {
	var all []Versus
	for _, against := range []struct{ name, metric string }{
		{RankEight, "rank8_err_sq"}, {EqualTrainables, "trainable_err_sq"}, {EqualBytes, "bytes_err_sq"},
	} {
		v := Versus{Against: against.name}
		var d []float64
		var sketch, low float64
		excluded := 0
		for _, item := range items {
			a, ok := byItem[item]["projection_err_sq"][0]
			b, also := byItem[item][against.metric][0]
			if !ok || !also || drawnPattern.MatchString(item) {
				continue
			}
			sketch, low = sketch+a.Value, low+b.Value
			if a.Value != b.Value {
				v.Pairs++
			}
			if a.Value < b.Value {
				v.Wins++
			}
			if a.Value == 0 || b.Value == 0 {
				excluded++
				continue
			}
			d = append(d, math.Log(a.Value/b.Value)/2)
		}
		if len(d)+excluded == 0 {
			continue
		}
		v.Ratio, v.SignP, v.Whole = pairedRatio(d, "matrix"), SignTest(v.Wins, v.Pairs), math.Sqrt(sketch/low)
		if excluded > 0 {
			v.Ratio.warn("%d of %d matrices, on which one of the two has no error, are not in the ratio", excluded, len(d)+excluded)
		}
		all = append(all, v)
	}
	return all
}

// SignTest returns the exact two-sided p of so many wins in n comparisons
// without ties, if either side were as likely to win: 1 for n = 0.
func SignTest(wins, n int) float64 {
	if n == 0 {
		return 1
	}
	b := distuv.Binomial{N: float64(n), P: 0.5}
	return min(1, 2*b.CDF(float64(min(wins, n-wins))))
}

// crossovers finds where sketch and low rank draw, by size; nil without drawn
// matrices.
func crossovers(updates []Update, byItem map[string]samples) []Crossover {
	type draws struct{ random, projection map[int][]keptAt }
	bySize, alpha := map[int]*draws{}, map[int]float64{}
	for _, u := range updates {
		if u.Size == 0 {
			continue
		}
		if bySize[u.Size] == nil {
			bySize[u.Size] = &draws{map[int][]keptAt{}, map[int][]keptAt{}}
		}
		d, s := bySize[u.Size], byItem[u.Item]
		alpha[u.Size] = u.Alpha
		for i, low := range s["trainable_err_sq"] {
			kept := func(r results.Record) float64 { return 1 - r.Value/s["sq"][i].Value }
			if r, ok := s["random_err_sq"][i]; ok {
				d.random[i] = append(d.random[i], keptAt{u.Eta, kept(r), kept(low)})
			}
			if r, ok := s["projection_err_sq"][i]; ok {
				d.projection[i] = append(d.projection[i], keptAt{u.Eta, kept(r), kept(low)})
			}
		}
	}
	var all []Crossover
	for _, n := range sortedInts(bySize) {
		a := alpha[n]
		all = append(all, Crossover{Size: n, Alpha: a, Threshold: Threshold(a), Finite: FiniteCrossover(n, a), Large: FiniteCrossover(LargeSize, a),
			Random: crossoverOf(bySize[n].random), Projection: crossoverOf(bySize[n].projection)})
	}
	return all
}

// sortedInts returns the keys of m in order.
func sortedInts[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// adjustUpdates corrects the p values of all comparisons with low rank, a table
// of their own.
func (g *Group) adjustUpdates() {
	var tests []*Estimate
	var p []float64
	for i := range g.Rows {
		for k := range g.Rows[i].Versus {
			if e := &g.Rows[i].Versus[k].Ratio; !math.IsNaN(e.P) {
				tests, p = append(tests, e), append(p, e.P)
			}
		}
	}
	for i, a := range Holm(p) {
		tests[i].Adjusted, tests[i].Significant = a, a <= Alpha
	}
}

// onlyUpdates reports whether all that is measured are updates, which are
// compared with no baseline.
func onlyUpdates(rows []candidate) bool {
	found := false
	for _, c := range rows {
		for _, m := range c.cells {
			for _, v := range m.values {
				if !isUpdate(v) {
					return false
				}
				found = true
			}
		}
	}
	return found
}
