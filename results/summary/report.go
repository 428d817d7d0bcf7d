package summary

import (
	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/results/keys"
)

// A Report is what records say, summarised.
type Report struct {
	Groups []Group
	Filter string // as it was written; empty when all lines count
}

// A Group holds cases that may be compared: of one scenario and one model,
// every suite under one recipe. A scenario that runs a suite under two recipes
// has two groups; the second holds only the suites that have a second recipe.
type Group struct {
	Scenario, Model string
	Keys            []KeyValue       // in which the rows agree, beside scenario and model
	Index           int              // 0 = first recipe of each suite
	Recipes         []results.Record // recipe lines in order of first use; only hash and suite where the line is absent
	Baseline        string           // label of the baseline row; empty when there is none
	BaselineHidden  bool             // the filter or the group leaves the baseline out: ratios are to it, but it has no row
	Cases           int              // of the scenario and model, those without a row included
	Rows            []Row            // in order of first appearance
	TTFT, ITL       []string         // items timed, such as "b1,ctx384", by number of tokens
	// TTFTNoise and ITLNoise are what the A/A control says of every item.
	TTFTNoise, ITLNoise []Noise
	Kernels             []KernelItem     // products timed, by shape, state of the cache and batch
	Peaks               []Peak           // measured limits of the machine
	Suites              map[string]bool  // that measured or failed in any row
	Devices             []string         // of the values, in order of first appearance
	Runs                []results.Record // run lines of the values
	Comparisons         int              // p values that Holm's correction counts
	Varying             []Varying        // what tells rows apart besides their labels
	Warnings            []string         // about the group as a whole

	doubts []doubt
}

// A Row is one case.
type Row struct {
	Case, Method, Label string
	Params              map[string]any
	Seed                uint64
	Baseline            bool
	NominalBits         Estimate // as asked for; missing when no line told it

	Ledger                           Ledger
	WeightError, HError, OutputError Estimate // of all linear layers together
	Matrices                         []Matrix // in order of first appearance
	Profile                          Profile

	Updates    []Update    // in order of first appearance
	Versus     []Versus    // over the matrices of a model, one per kind of low rank
	Crossovers []Crossover // of drawn matrices, by size

	Perplexity Perplexity
	Ratio      PairedRatio // to the baseline; 1 for the baseline itself
	Divergence Divergence  // from the uncompressed model

	// TTFT and ITL hold one timing per item of the group, in its order.
	TTFT, ITL []Timing

	PeakAnon, VmHWM Estimate // bytes

	Kernels []Kernel // one per product of the group, in its order

	Failures []Failure
	Device   string            // of the last value
	Exec     map[string]string // suite → hash of how it was executed: dtype, batch, kernels

	head     results.Record // the case line, or what stands for it
	values   map[string][]results.Record
	narrowed bool            // a filter or a group may have left values out
	leftOut  map[string]bool // suites that were measured, but of which no value was chosen
	keys     *keys.Index
}

// A Ledger is the bill of the bytes that a case stores.
type Ledger struct {
	Classes       []ClassBytes
	LinearBits    Estimate // stored bits per weight of the linear layers, uncompressed ones included
	ModelBits     Estimate // stored bits per weight of the whole model
	NominalLinear Estimate // bits aimed at per weight of the linear layers
	NominalModel  Estimate // bits aimed at per weight of the whole model
	ModelBytes    Estimate
	// Target is the bytes that the compressed matrices may take, Reached what
	// they take and Gap the share of the target that is left; missing for a
	// case that aims at no size.
	Target, Reached, Gap Estimate
}

// ClassBytes is one line of a Ledger.
type ClassBytes struct {
	Class                       string
	Bytes, NominalBits, Weights float64
	// Parts splits Bytes by what they are for (results.PartClasses); empty
	// where that was not recorded.
	Parts map[string]float64
}

// A Matrix is the error of one linear layer; NaN where it was not recorded.
type Matrix struct {
	Name                             string
	WeightError, HError, OutputError float64
}

// A Timing is one time of one case. The independent values are blocks: what is
// taken within one block shares its process and the state of the machine, so each block enters
// by the median of its samples.
type Timing struct {
	Item   string
	Median Estimate // seconds; N counts blocks
	// Ratio to the baseline in the same blocks: Hodges-Lehmann of ln ratios,
	// its interval by inversion of the signed-rank test. Where no block is shared
	// but the machine is the same, of all pairs instead, by Mann-Whitney, with a warning.
	// Missing where the baseline was executed in another way; without interval
	// and test where too many samples of either were throttled.
	Ratio    Estimate
	P90      Estimate // seconds, over all samples that are not throttled
	Samples  int
	Foreign  int // samples flagged for foreign work; they count
	Launches int // processes behind the blocks

	invalid bool // too many samples were throttled
	blocks  map[blockKey][]float64
	launch  map[blockKey]int
}

// blockKey is what times must share to be paired.
type blockKey struct {
	run   string
	block int
}

// A Failure is why a case, or one suite of it, has no result.
type Failure struct {
	Suite, Stage string // Suite is empty when the case could not be opened
	Class        results.Class
	Message      string
}
