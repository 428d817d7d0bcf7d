package results

// What approx records in place of the errors of weights where a scenario gives
// it an update Δ, of a pair of checkpoints or drawn with a prescribed spectrum.
//
//	metric                     unit  item          weight             sample
//	update_sq                  1     see below     weights (out·in)   draw of Δ
//	update_base_sq             1     tensor name   weights            –
//	update_projection_err_sq   1     see below     table entries      draw of Δ
//	update_kmeans_err_sq       1     see below     table entries      draw of Δ
//	update_random_err_sq       1     see below     buckets            draw
//	update_rank8_err_sq        1     see below     rank               draw of Δ
//	update_trainable_err_sq    1     see below     rank               draw of Δ
//	update_bytes_err_sq        1     see below     rank               draw of Δ
//	update_rank75              1     see below     weights            draw of Δ
//	update_exponent            1     see below     points of the fit  draw of Δ
//	update_exponent_se         1     see below     points of the fit  draw of Δ
//
// The item is the tensor's name, or 512x512,eta0.3 for a matrix drawn with
// squared singular values i^-0.3. Of a pair of checkpoints there is one Δ,
// sample 0, and several draws of the random buckets; of a prescribed spectrum
// several Δ, each with one. Squared errors are stored, as for weights. A matrix
// that did not change has update_sq 0 and nothing else; a weight of 0 is a
// rank of 0, which is no approximation at all.
var updateMetrics = []Metric{
	{"update_sq", "approx", "1", Target, Exact, ByItem, "sum over the matrix of Δ², Δ = W'-W", false},
	{"update_base_sq", "approx", "1", Target, Exact, ByItem, "sum over the matrix of W²", false},
	{"update_projection_err_sq", "approx", "1", Lower, Exact, ByItem, "sum of (Δ-Δ̂)², Δ̂ the mean of Δ over each cluster of the case's mapping", false},
	{"update_kmeans_err_sq", "approx", "1", Lower, Exact, ByItem, "sum of (Δ-Δ̂)², Δ̂ the optimal k-means of Δ itself in every row and group, with as many tables", false},
	{"update_random_err_sq", "approx", "1", Lower, IID, ByItem, "sum of (Δ-Δ̂)², Δ̂ the mean of Δ over random buckets of equal size, as many as the case has table entries", false},
	{"update_rank8_err_sq", "approx", "1", Lower, Exact, ByItem, "sum of (Δ-Δ̂)², Δ̂ the best approximation of rank 8", false},
	{"update_trainable_err_sq", "approx", "1", Lower, Exact, ByItem, "sum of (Δ-Δ̂)², Δ̂ the best approximation of rank round(entries/(out+in))", false},
	{"update_bytes_err_sq", "approx", "1", Lower, Exact, ByItem, "sum of (Δ-Δ̂)², Δ̂ the best approximation of the largest rank whose 16-bit factors take no more than the case's bytes of the matrix", false},
	{"update_rank75", "approx", "1", Target, Exact, ByItem, "least rank that keeps 75 % of the sum of squared singular values of Δ", false},
	{"update_exponent", "approx", "1", Target, Exact, ByItem, "exponent η of σ² ~ i^-η, least squares of ln σ on ln i over i up to 0.9 of the rank of Δ", false},
	{"update_exponent_se", "approx", "1", Target, Exact, ByItem, "standard error of update_exponent, HC3", false},
	{"update_error", "approx", "1", Lower, Exact, ByItem, "√(Σ of an err_sq / Σ update_sq): ‖Δ-Δ̂‖F/‖Δ‖F", true},
	{"update_ratio", "approx", "1", Lower, IID, ByItem, "Hodges-Lehmann over matrices of the error of the case's mapping over that of low rank", true},
	{"update_crossover", "approx", "1", Higher, IID, ByItem, "exponent η at which a sketch and low rank of as many numbers keep the same share of Δ", true},
}
