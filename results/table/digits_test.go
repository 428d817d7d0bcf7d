package table

import "testing"

func TestDigits(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		// Half-widths 19.7, 0.014, 0.055, 450, 1e-9.
		{Interval(153.916, 135.495, 174.842), "154 [135, 175]"},
		{Interval(1.04889, 1.03505, 1.06292), "1.049 [1.035, 1.063]"},
		{Interval(12.3456, 12.3, 12.41), "12.346 [12.300, 12.410]"},
		{Interval(4321, 3904, 4804), "4320 [3900, 4800]"},
		{Interval(1, 1-1e-9, 1+1e-9), "1.00000 [1.00000, 1.00000]"},
		{Interval(1, 1, 1), "1 [1, 1]"},
		{Interval(1.234e6, 1.1e6, 1.4e6), "1.23e6 [1.10e6, 1.40e6]"},
		{Interval(59.03, 0.0123, 283000), "59 [0.012, 280000]"},
		{Interval(0.5, -0.01, 1.01), "0.50 [-0.010, 1.01]"},
		// A ratio just below 1: half-width 2.5e-5, six significant digits of 0.99998.
		{Interval(0.99998, 0.999955, 1.000005), "0.999980 [0.999955, 1.000005]"},
		// The half-width of 49.9e-3 begins in the second decimal, whether the ends lie in another decade or not.
		{Interval(9.97, 9.92, 10.02), "9.970 [9.920, 10.020]"},
		{Interval(1000, 900, 1100), "1000 [900, 1100]"},
		{Interval(999.9, 999.0, 1000.8), "999.90 [999.00, 1000.80]"},
		// Powers of ten keep their place: the logarithm of 1000 is not exactly 3 in float64.
		{Interval(1000, 0, 2000), "1000 [0, 2000]"},
		// Small divergences: the ends take the exponent of the value.
		{Interval(1.04e-7, 0.79e-7, 1.29e-7), "1.04e-7 [0.79e-7, 1.29e-7]"},
		{Interval(2e-5, -1e-7, 4e-5), "2.0e-5 [-0.010e-5, 4.0e-5]"},
		{Interval(0, -1e-9, 1e-9), "0 [-1.0e-9, 1.0e-9]"},
		{Interval(0, 0, 0), "0 [0, 0]"},
		{Interval(0, -0.02, 0.02), "0 [-0.020, 0.020]"},
		// An end of another order of magnitude has an exponent of its own.
		{Interval(9.8e9, 8.04e9, 11.93e9), "9.8e9 [8.0e9, 11.9e9]"},
		{Interval(5e7, 2e3, 9e11), "5.0e7 [2.0e3, 9.0e11]"},
		{Interval(900000, 800000, 1100000), "900000 [800000, 1100000]"},
		{Interval(59, 0.01, 2.8e6), "59 [0.010, 2.8e6]"},
		{Significant(16, 4), "16"},
		{Significant(4.15625, 4), "4.156"},
		{Significant(0, 4), "0"},
		{Significant(0.5, 4), "0.5"},
		{Significant(0.0000123456, 4), "1.235e-5"},
		{Significant(0.99999, 4), "1"},
		{Significant(123456, 3), "123000"},
		{Bytes(0, 3), "0 B"},
		{Bytes(1023, 4), "1023 B"},
		{Bytes(11547648, 4), "11.01 MiB"},
		{Bytes(1048000, 3), "1023 KiB"},
		{Bytes(1048570, 4), "1 MiB"}, // 1023.99 KiB
		{Bytes(3*1<<30, 4), "3 GiB"},
		{Bytes(5<<50, 4), "5120 TiB"},
	} {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
}

// TestTimeUnit: one unit for a column, that of its median.
func TestTimeUnit(t *testing.T) {
	for _, tt := range []struct {
		seconds []float64
		unit    string
		scale   float64
	}{
		{nil, "ms", 1e3},
		{[]float64{0.0555}, "ms", 1e3},
		{[]float64{1}, "s", 1},
		{[]float64{0.9999, 1.0001}, "ms", 1e3},
		{[]float64{0.0003, 0.5, 30}, "ms", 1e3},
		{[]float64{0.0003, 1.5, 30}, "s", 1},
		{[]float64{12e-6, 15e-6, 4e-3}, "µs", 1e6},
		{[]float64{80e-9}, "ns", 1e9},
	} {
		if unit, scale := timeUnit(tt.seconds); unit != tt.unit || scale != tt.scale {
			t.Errorf("%v: %s, %v; want %s, %v", tt.seconds, unit, scale, tt.unit, tt.scale)
		}
	}
}
