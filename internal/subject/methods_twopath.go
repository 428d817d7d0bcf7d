package subject

// twopathMethods keep a base and a low-rank path beside it (methods.md 4.3, 4.4).
func twopathMethods() []Method { return nil }
