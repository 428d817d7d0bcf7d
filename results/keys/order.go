package keys

import (
	"cmp"
	"strconv"
	"strings"
)

// An Order is a key to sort by.
type Order struct {
	Key        string
	Descending bool
}

// ParseOrder reads keys with commas between; -KEY sorts downwards.
func ParseOrder(lists []string) []Order {
	var orders []Order
	for _, key := range ParseList(lists) {
		name, down := strings.CutPrefix(key, "-")
		orders = append(orders, Order{name, down})
	}
	return orders
}

// ParseList reads keys with commas between.
func ParseList(lists []string) []string {
	var keys []string
	for _, list := range lists {
		for _, key := range strings.Split(list, ",") {
			keys = append(keys, strings.TrimSpace(key))
		}
	}
	return keys
}

// Compare compares two values as o wants: numbers as numbers and before text, the lack of a
// value last in either direction.
func (o Order) Compare(a, b string) int {
	if a == "" || b == "" {
		return cmp.Compare(boolRank(a == ""), boolRank(b == ""))
	}
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	c := cmp.Compare(boolRank(errX != nil), boolRank(errY != nil))
	switch {
	case errX == nil && errY == nil:
		c = cmp.Compare(x, y)
	case errX != nil && errY != nil:
		c = cmp.Compare(a, b)
	}
	if o.Descending {
		return -c
	}
	return c
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}
