package subject

// foreignMethods take compressed weights from others' files.
func foreignMethods() []Method { return nil }
