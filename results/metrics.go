package results

import "slices"

// What each suite records, one value line per row of this table. Every line
// carries scenario, model, method, params, seed, suite, device, recipe, exec,
// artefact and at besides; Writer fills kind, schema and run. A cell is (scenario, case, suite,
// recipe); its values count only once a done line with the same four stands
// behind them.
//
//	suite       metric          unit  item          weight            sample        block
//	approx      weight_err_sq   1     tensor name   weights (out·in)  –             –
//	            weight_ref_sq   1     tensor name   weights           –             –
//	            h_err_sq        1     tensor name   weights           –             –
//	            h_ref_sq        1     tensor name   weights           –             –
//	            output_err_sq   1     tensor name   outputs (T·out)   –             –
//	            output_ref_sq   1     tensor name   outputs           –             –
//	            zeroed_sq       1     tensor name   weights           –             –
//	            sign_flips      1     tensor name   weights           –             –
//	            decile_err_sq   1     –             –                 decile        –
//	            decile_ref_sq   1     –             –                 decile        –
//	            diagnostics.go  …     tensor name   weights           –             –
//	perplexity  nll             nat   –             targets scored    window        –
//	            nll_sq          nat2  –             targets scored    window        –
//	divergence  kl              nat   –             targets scored    window        –
//	            top1            1     –             targets scored    window        –
//	            top5            1     –             targets scored    window        –
//	            dp              1     –             targets scored    window        –
//	            dp_sq           1     –             targets scored    window        –
//	            base_nll        nat   –             targets scored    window        –
//	            self_kl         nat   –             targets scored    window        –
//	            self_top1       1     –             targets scored    window        –
//	            base_entropy    nat   –             targets of case   –             –
//	            ties            1     –             targets of case   –             –
//	            kl_percentile   nat   p99.9, max    targets of case   –             –
//	            dp_percentile   1     min, p0.1     targets of case   –             –
//	latency     ttft            s     b1,ctx384     –                 run in block  block
//	            ttft_prefill    s     b1,ctx384     –                 run in block  block
//	            ttft_sample     s     b1,ctx384     –                 run in block  block
//	            itl             s     b1,d384       –                 see below     block
//	            ttft_aa         s     b1,ctx384     –                 run in block  block
//	            itl_aa          s     b1,d384       –                 see below     block
//	            load            s     –             –                 –             –
//	            first_call      s     b1,ctx384     –                 –             –
//	            cpu_clock       Hz    –             –                 –             block
//	            foreign_load    1     –             –                 –             block
//	            steal           1     –             –                 –             block
//	memory      stored_bytes    B     tensor class  weights of class  –             –
//	            nominal_bits    bit   tensor class  weights of class  –             –
//	            part_bytes      B     linear/codes  weights of class  –             –
//	            target_bytes    B     –             –                 –             –
//	            reached_bytes   B     –             –                 –             –
//	            peak_anon       B     –             –                 child process –
//	            vmhwm           B     –             –                 child process –
//
//	kernelspeed kernel_time     s     b1 and more   calls of a sample sample        block
//	            kernel_bytes    B     same          –                 –             –
//	            kernel_flops    FLOP  same          –                 –             –
//	            read_peak       B/s   see below     –                 pass          block
//	            fma_peak        FLOP/s –            –                 pass          block
//
// approx: one line per metric and linear layer, for all linear layers of the
// model; one that the method left alone has error 0, so that all methods
// share the denominators. Squared norms are stored, so that the whole is
// formed when read: √(Σ err / Σ ref) for weights and outputs, Σ err / Σ ref
// for H (protocol.md 2.7 has no root there). h_* are left out for a case
// without a calibration H, output_* never. zeroed_sq, sign_flips and the deciles are of the
// matrices that the case compresses; a decile is of |w| within its matrix, sample 0 the smallest
// weights, summed over matrices.
//
// perplexity: one line each of nll (sum over the window's targets) and nll_sq
// (sum of their squares; only the iid error and the design effect need it) per
// window, sample = window from 0.
//
// divergence: p is the uncompressed model, q the case, Δp = q(target) - p(target).
// One line each per window of what its targets add up to; base_entropy and ties
// are of all windows together, and percentiles over all targets are values of
// their own, since the targets themselves are too many to record. A percentile that
// so few targets do not support has no line. self_* compare the uncompressed model with itself, run in
// chunks of another length, in the first window. For an uncompressed case that is all
// that there is to compare: kl and the others are then of this control, in the
// first few windows.
//
// latency: ctx is the number of prompt tokens, d the number of tokens in the KV
// cache when the timed decoding starts (the prompt). ttft: sample = repetition
// in its block. itl: one line per gap between successive tokens, sample counts
// on through the block, rep·(new-1) + j. Blocks of one run pair cases: every
// case has the same block numbers in one run. Every value has the launch in which it was
// taken: the fresh process of its case, from 0. ttft is the sum of its two parts. load and
// first_call are one each per launch. Metrics that end in _aa are the A/A control's: a second process of the
// same case, timed in the same blocks; they stand in the cell of the case that is timed twice, the baseline
// unless it is not timed. cpu_clock, foreign_load and steal are of the machine while a block of the case ran, and absent
// where the system does not tell. Flags of a value: throttled, foreign-process (docs/timing.md).
//
// memory: classes are linear, embedding, head, norm, bias; an absent class has
// no line; a tied head is billed once, as embedding. stored_bytes is what
// the artefact holds, nominal_bits the bits aimed at (whole bits of the class,
// not per weight; a matrix left alone at those of its stored type). part_bytes
// splits stored_bytes by what the bytes are for, item tensor class/part class,
// and sums to it; a part that a class lacks has no line. target_bytes is what match or bytes
// of the scenario ask for, over the matrices that the case compresses, and reached_bytes what
// those store: the gap is what no setting could use. A case without a target has neither.
//
// kernelspeed: the item of a product is OUTxIN,bBATCH,CACHE, such as
// 4096x14336,b1,cold. A sample is the mean of as many calls as its weight says.
// kernel_bytes (packed matrix, X and Y) and kernel_flops are declared, once an
// item. The limits of the machine are sampled between products: read_peak with
// item cold is that of memory, with item OUTxIN,hot that of reading as many
// bytes as the matrix has again and again. These lines have no artefact: the
// weights are drawn.
// The nominal bits that a user asked for stand in the case line.

// Direction says which way a metric improves.
type Direction string

// Directions.
const (
	Lower  Direction = "lower"
	Higher Direction = "higher"
	Target Direction = "none" // neither: a fact, such as the bits aimed at
)

// Assume names what the statistics of a metric may assume of its values.
type Assume string

// Assumptions.
const (
	Exact     Assume = "exact"     // no chance in it; repeated values agree
	IID       Assume = "iid"       // independent values
	Clustered Assume = "clustered" // sums over windows; windows are the independent part
	Timing    Assume = "timing"    // skewed and drifting: medians, blocks
)

// Pairing names what joins a value of one case to that of another.
type Pairing string

// Pairings.
const (
	ByWindow Pairing = "window" // the same sample number
	ByItem   Pairing = "item"   // the same item: a tensor, a tensor class
	ByBlock  Pairing = "block"  // the same run and block
	Unpaired Pairing = "none"
)

// A Metric describes one measured quantity.
type Metric struct {
	Name    string
	Suite   string // the suite that records it
	Unit    string
	Better  Direction
	Assume  Assume
	Pairing Pairing
	Formula string // in words
	// Derived marks a quantity formed from recorded ones when records are
	// read; no record may carry it.
	Derived bool
}

// Metrics lists every metric. To add one, add a line.
func Metrics() []Metric {
	return slices.Concat(measured, updateMetrics, Diagnostics())
}

// measured are the metrics of the table above; those of updates stand in updates.go.
var measured = []Metric{
	{"weight_err_sq", "approx", "1", Lower, Exact, ByItem, "sum over the matrix of (W-Ŵ)²", false},
	{"weight_ref_sq", "approx", "1", Target, Exact, ByItem, "sum over the matrix of W²", false},
	{"h_err_sq", "approx", "1", Lower, Exact, ByItem, "tr((W-Ŵ)·H·(W-Ŵ)ᵀ), H = 2/T·XᵀX of the run's calibration, without damping", false},
	{"h_ref_sq", "approx", "1", Target, Exact, ByItem, "tr(W·H·Wᵀ), the same H", false},
	{"output_err_sq", "approx", "1", Lower, Exact, ByItem, "sum of squares of X·(W-Ŵ)ᵀ, X the dense model's inputs on held-out text", false},
	{"output_ref_sq", "approx", "1", Target, Exact, ByItem, "sum of squares of X·Wᵀ, the same X", false},
	{"zeroed_sq", "approx", "1", Lower, Exact, ByItem, "sum of W² over the weights whose Ŵ is 0", false},
	{"sign_flips", "approx", "1", Lower, Exact, ByItem, "number of weights whose sign changed, zeros left out", false},
	{"decile_err_sq", "approx", "1", Lower, Exact, Unpaired, "sum of (W-Ŵ)² over the weights of one decile of |W| within each compressed matrix", false},
	{"decile_ref_sq", "approx", "1", Target, Exact, Unpaired, "sum of W² over the same weights", false},
	{"weight_error", "approx", "1", Lower, Exact, ByItem, "√(Σ weight_err_sq / Σ weight_ref_sq) over matrices: ‖W-Ŵ‖F/‖W‖F", true},
	{"h_error", "approx", "1", Lower, Exact, ByItem, "Σ h_err_sq / Σ h_ref_sq over matrices", true},
	{"output_error", "approx", "1", Lower, Exact, ByItem, "√(Σ output_err_sq / Σ output_ref_sq) over matrices: ‖X(W-Ŵ)ᵀ‖F/‖XWᵀ‖F", true},

	{"nll", "perplexity", "nat", Lower, Clustered, ByWindow, "sum over the window's scored targets of -ln p(target)", false},
	{"nll_sq", "perplexity", "nat2", Lower, Clustered, ByWindow, "sum over the window's scored targets of (ln p(target))²", false},
	{"perplexity", "perplexity", "1", Lower, Clustered, ByWindow, "exp(Σ nll / Σ targets)", true},

	{"kl", "divergence", "nat", Lower, Clustered, ByWindow, "sum over the window's scored targets of Σ p·(ln p - ln q) over the vocabulary", false},
	{"top1", "divergence", "1", Higher, Clustered, ByWindow, "number of the window's scored targets at which p and q have the same largest entry, the lowest id among equals", false},
	{"top5", "divergence", "1", Higher, Clustered, ByWindow, "sum over the window's scored targets of the share of common ids among the 5 largest entries of p and of q", false},
	{"dp", "divergence", "1", Target, Clustered, ByWindow, "sum over the window's scored targets of Δp = q(target) - p(target)", false},
	{"dp_sq", "divergence", "1", Lower, Clustered, ByWindow, "sum over the window's scored targets of Δp²", false},
	{"base_nll", "divergence", "nat", Target, Clustered, ByWindow, "sum over the window's scored targets of -ln p(target)", false},
	{"self_kl", "divergence", "nat", Target, Clustered, ByWindow, "kl of the uncompressed model and itself in chunks of another length", false},
	{"self_top1", "divergence", "1", Target, Clustered, ByWindow, "top1 of the uncompressed model and itself in chunks of another length", false},
	{"base_entropy", "divergence", "nat", Target, Clustered, Unpaired, "sum over all scored targets of -Σ p·ln p over the vocabulary", false},
	{"ties", "divergence", "1", Target, Clustered, Unpaired, "number of scored targets at which the largest entry of p or of q is not the only one", false},
	{"kl_percentile", "divergence", "nat", Lower, Clustered, ByItem, "percentile of the KL divergences of all scored targets", false},
	{"dp_percentile", "divergence", "1", Target, Clustered, ByItem, "percentile of Δp of all scored targets", false},
	{"mean_kl", "divergence", "nat", Lower, Clustered, ByWindow, "Σ kl / Σ targets", true},
	{"top1_agreement", "divergence", "1", Higher, Clustered, ByWindow, "Σ top1 / Σ targets", true},
	{"top5_overlap", "divergence", "1", Higher, Clustered, ByWindow, "Σ top5 / Σ targets", true},
	{"mean_dp", "divergence", "1", Target, Clustered, ByWindow, "Σ dp / Σ targets", true},
	{"rms_dp", "divergence", "1", Lower, Clustered, ByWindow, "√(Σ dp_sq / Σ targets)", true},

	{"ttft", "latency", "s", Lower, Timing, ByBlock, "from token ids in host memory to the first sampled token id on the host", false},
	{"ttft_prefill", "latency", "s", Lower, Timing, ByBlock, "the part of ttft up to the logits of the next token", false},
	{"ttft_sample", "latency", "s", Lower, Timing, ByBlock, "the rest of ttft: from the logits to the sampled token id on the host", false},
	{"itl", "latency", "s", Lower, Timing, ByBlock, "from one sampled token id on the host to the next", false},
	{"ttft_aa", "latency", "s", Lower, Timing, ByBlock, "ttft of the A/A control", false},
	{"itl_aa", "latency", "s", Lower, Timing, ByBlock, "itl of the A/A control", false},
	{"load", "latency", "s", Lower, Timing, Unpaired, "opening model and artefact in a fresh process, up to the first call", false},
	{"first_call", "latency", "s", Lower, Timing, Unpaired, "ttft of the first call in a fresh process", false},
	{"cpu_clock", "latency", "Hz", Target, IID, ByBlock, "clock of the fastest processor while the block ran, median over time", false},
	{"foreign_load", "latency", "1", Target, IID, ByBlock, "share of all processors' time that other processes took while the block ran", false},
	{"steal", "latency", "1", Target, IID, ByBlock, "share of all processors' time that the hypervisor gave to other guests while the block ran", false},

	{"stored_bytes", "memory", "B", Lower, Exact, ByItem, "bytes of the class's tensors in the artefact, all parts and padding", false},
	{"nominal_bits", "memory", "bit", Target, Exact, ByItem, "sum over the class's tensors of bits per weight aimed at × weights", false},
	{"part_bytes", "memory", "B", Lower, Exact, ByItem, "the bytes among stored_bytes that serve one purpose: codes, tables, scales and so on", false},
	{"target_bytes", "memory", "B", Target, Exact, Unpaired, "bytes that the compressed matrices may take, by match or bytes of the scenario", false},
	{"reached_bytes", "memory", "B", Target, Exact, Unpaired, "bytes that these matrices take", false},
	{"peak_anon", "memory", "B", Lower, Exact, Unpaired, "largest sampled anonymous resident size (RssAnon) of a child process that opens and runs the artefact", false},
	{"vmhwm", "memory", "B", Lower, Exact, Unpaired, "largest resident size (VmHWM) of the same child process, file-backed pages included", false},
	{"bits_stored", "memory", "bit", Lower, Exact, ByItem, "8 · Σ stored_bytes / Σ weights over the classes in question", true},
	{"kernel_time", "kernelspeed", "s", Lower, Timing, ByBlock, "mean time of a call of Y = X·Ŵᵀ, from the call to the end of the device's work", false},
	{"kernel_bytes", "kernelspeed", "B", Lower, Exact, ByItem, "bytes of the packed matrix, of X and of Y", false},
	{"kernel_flops", "kernelspeed", "FLOP", Target, Exact, ByItem, "2·batch·out·in; of a low-rank matrix 2·batch·rank·(out+in)", false},
	{"read_peak", "kernelspeed", "B/s", Higher, Timing, ByBlock, "bytes of a pass of loads and additions on all threads over its time", false},
	{"fma_peak", "kernelspeed", "FLOP/s", Higher, Timing, ByBlock, "2 · multiply-adds in independent registers on all threads over their time", false},

	{"model_bytes", "memory", "B", Lower, Exact, ByItem, "Σ stored_bytes over all classes", true},
}

// metricByName is Metrics by name.
var metricByName = func() map[string]Metric {
	m := make(map[string]Metric)
	for _, v := range Metrics() {
		m[v.Name] = v
	}
	return m
}()

// LookupMetric returns the metric of that name.
func LookupMetric(name string) (Metric, bool) {
	m, ok := metricByName[name]
	return m, ok
}

// ControlMetric is the metric of the A/A control of a timing.
func ControlMetric(metric string) string { return metric + "_aa" }

// TensorClasses lists the items of the bit ledger.
func TensorClasses() []string { return []string{"linear", "embedding", "head", "norm", "bias"} }

// PartClasses lists what stored bytes are for: uncompressed values, packed
// codes, centroids, scales and zeros, low-rank factors, hashed cells, class
// maps and sizes, hash seeds, masks, bits that fill up last bytes, bytes that
// another program declares.
func PartClasses() []string {
	return []string{"dense", "codes", "tables", "scales", "factors", "cells", "indices", "seeds", "masks", "padding", "declared"}
}

// PartItem is the item of part_bytes.
func PartItem(tensorClass, partClass string) string { return tensorClass + "/" + partClass }
