package scenarios

// Expand returns the product of the axes of a method's parameters: one
// mapping for each combination, the last parameter varying fastest. A list is
// an axis, a scalar an axis of one.
func (m Method) Expand() []Node {
	out := []Node{{Pos: m.Pos, Kind: Map}}
	for _, f := range m.Params {
		values := []Node{f.Value}
		if f.Value.Kind == List {
			values = f.Value.Items
		}
		var next []Node
		for _, base := range out {
			for _, v := range values {
				n := base
				n.Fields = append(base.Fields[:len(base.Fields):len(base.Fields)], Field{f.Pos, f.Key, v})
				next = append(next, n)
			}
		}
		out = next
	}
	return out
}
