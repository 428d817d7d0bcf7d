package subject

// binaryMethods store signs, masks and scales (methods.md 4.7).
func binaryMethods() []Method { return nil }
