package table

import (
	"math"
	"strconv"
	"strings"
)

// most is the number of significant digits beyond which none is printed.
const most = 6

// Interval returns "v [lo, hi]" with as many digits as the interval allows: two
// significant ones of its half-width, and at least two of each number, since a wide interval
// of a positive quantity is lopsided.
func Interval(v, lo, hi float64) string {
	h := (hi - lo) / 2
	if !(h > 0) {
		s := Significant(v, 4)
		return s + " [" + s + ", " + s + "]"
	}
	decimals := min(1-leading(h), most-1-leading(v))
	return fixed(v, decimals) + " [" + fixed(lo, decimals) + ", " + fixed(hi, decimals) + "]"
}

// leading returns the place of the first digit of x: 0 for 1 to 9.99, -1 for 0.1.
func leading(x float64) int {
	if x == 0 {
		return 0
	}
	return int(math.Floor(math.Log10(math.Abs(x))))
}

// fixed returns v rounded to so many decimals, which may be negative, but to no fewer than
// two significant digits; from a million on in scientific notation.
func fixed(v float64, decimals int) string {
	if v == 0 {
		return "0"
	}
	first := leading(v)
	decimals = max(decimals, 1-first)
	if math.Abs(v) >= 1e6 {
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
	if a := math.Abs(v); a != 0 && (a >= 1e6 || a < 1e-4) {
		return scientific(v, digits-1)
	}
	r, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'e', digits-1, 64), 64)
	return strconv.FormatFloat(r, 'f', -1, 64)
}

// Bytes returns a number of bytes in binary units, with at most so many significant
// digits: 11.01 MiB.
func Bytes(v float64, digits int) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	for len(units) > 1 && v >= 1024 {
		v, units = v/1024, units[1:]
	}
	if units[0] == "B" || v >= math.Pow(10, float64(digits)) {
		return strconv.FormatFloat(v, 'f', 0, 64) + " " + units[0]
	}
	return Significant(v, digits) + " " + units[0]
}
