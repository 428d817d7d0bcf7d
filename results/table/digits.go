package table

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// most is the number of significant digits beyond which none is printed.
const most = 6

// Interval returns "v [lo, hi]" with as many digits as the interval allows: two
// significant ones of its half-width, and at least two of each number, since a wide interval
// of a positive quantity is lopsided. Large and small numbers are in scientific notation, the
// ends with the exponent of the value where they are near it.
func Interval(v, lo, hi float64) string {
	h := (hi - lo) / 2
	if !(h > 0) {
		s := Significant(v, 4)
		return s + " [" + s + ", " + s + "]"
	}
	size := v // of the numbers
	if v == 0 {
		size = max(math.Abs(lo), math.Abs(hi))
	}
	decimals := min(1-leading(h), most-1-leading(size))
	if isPlain(size) {
		return fixed(v, decimals, size) + " [" + fixed(lo, decimals, size) + ", " + fixed(hi, decimals, size) + "]"
	}
	exponent := leading(size)
	end := func(x float64) string {
		if near(x, size) {
			return withExponent(x, decimals, exponent)
		}
		return withExponent(x, decimals, leading(x))
	}
	return withExponent(v, decimals, exponent) + " [" + end(lo) + ", " + end(hi) + "]"
}

// isPlain reports whether a number of this size is written without an exponent.
func isPlain(size float64) bool {
	a := math.Abs(size)
	return a == 0 || a >= 1e-4 && a < 1e6
}

// near reports whether x can be written with the exponent of size.
func near(x, size float64) bool {
	d := leading(x) - leading(size)
	return x == 0 || -2 <= d && d <= 2
}

// withExponent returns v rounded to so many decimals, but to no fewer than two significant
// digits, as a multiple of a power of ten: 11.9e9.
func withExponent(v float64, decimals, exponent int) string {
	if v == 0 {
		return "0"
	}
	decimals = max(decimals, 1-leading(v))
	return strconv.FormatFloat(v/math.Pow(10, float64(exponent)), 'f', max(decimals+exponent, 0), 64) + "e" + strconv.Itoa(exponent)
}

// leading returns the place of the first digit of x: 0 for 1 to 9.99, -1 for 0.1.
func leading(x float64) int {
	_, exponent, _ := strings.Cut(strconv.FormatFloat(x, 'e', -1, 64), "e")
	n, _ := strconv.Atoi(exponent)
	return n
}

// fixed returns v rounded to so many decimals, which may be negative, but to no fewer than
// two significant digits; from a million on in scientific notation, unless size, that of the
// numbers beside it, is within a factor of ten.
func fixed(v float64, decimals int, size float64) string {
	if v == 0 {
		return "0"
	}
	first := leading(v)
	decimals = max(decimals, 1-first)
	if a := math.Abs(v); a >= 1e6 && a >= 10*math.Abs(size) {
		return scientific(v, max(first+decimals, 0))
	}
	if decimals >= 0 {
		return strconv.FormatFloat(v, 'f', decimals, 64)
	}
	unit := math.Pow(10, float64(-decimals))
	return strconv.FormatFloat(math.Round(v/unit)*unit, 'f', 0, 64)
}

// scientific returns v with so many digits after the point: "1.2e6".
func scientific(v float64, digits int) string {
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(v, 'e', digits, 64), "e")
	n, _ := strconv.Atoi(exponent)
	return mantissa + "e" + strconv.Itoa(n)
}

// Significant returns v with at most so many significant digits, trailing zeros
// left out: 4.031, 16, 0.5.
func Significant(v float64, digits int) string {
	if !isPlain(v) {
		return scientific(v, digits-1)
	}
	r, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'e', digits-1, 64), 64)
	return strconv.FormatFloat(r, 'f', -1, 64)
}

// Bytes returns a number of bytes in binary units, with at most so many significant
// digits: 11.01 MiB.
func Bytes(v float64, digits int) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	for len(units) > 1 && math.Round(v) >= 1024 {
		v, units = v/1024, units[1:]
	}
	if units[0] == "B" || v >= math.Pow(10, float64(digits)) {
		return strconv.FormatFloat(v, 'f', 0, 64) + " " + units[0]
	}
	return Significant(v, digits) + " " + units[0]
}

// timeUnit returns the unit in which the median of seconds, of the lower two for an even
// number, lies between 1 and 1000, and how many of it make a second; ms where there are none.
func timeUnit(seconds []float64) (unit string, perSecond float64) {
	if len(seconds) == 0 {
		return "ms", 1e3
	}
	middle := slices.Sorted(slices.Values(seconds))[(len(seconds)-1)/2]
	switch {
	case middle >= 1:
		return "s", 1
	case middle >= 1e-3:
		return "ms", 1e3
	case middle >= 1e-6:
		return "µs", 1e6
	}
	return "ns", 1e9
}
