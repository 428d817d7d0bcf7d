package scenarios

import "fmt"

// What a size holds for.
const (
	PerMatrix = "matrix" // every matrix keeps to it
	PerModel  = "model"  // all matrices together keep to it
)

// MostBytes is the largest size, in bits per weight, that a method may ask for.
const MostBytes = 32

// checkBytes checks sizes to aim at; those that are no numbers are told already.
func (m *Method) checkBytes(n Node, faults *Faults) {
	items := n.Items
	if n.Kind == Scalar {
		items = []Node{n}
	} else if len(items) == 0 {
		faults.Add(n.Pos, "%s.bytes: empty, want at least one size such as 0.5bpw", m.Path)
	}
	for i, item := range items {
		m.BytesAt = append(m.BytesAt, item.Pos)
		name := "bytes"
		if n.Kind == List {
			name = fmt.Sprintf("bytes[%d]", i)
		}
		if bits, err := ParseNumber(item.Text); err == nil && !item.Quoted && !(bits > 0 && bits <= MostBytes) {
			faults.Add(item.Pos, "%s.%s: %v, want stored bits per weight above 0 and at most %d, such as 0.5bpw", m.Path, name, bits, MostBytes)
		}
	}
}
