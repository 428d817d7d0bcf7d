//go:build !unix

package launch

// boundMemory cannot bound anything here.
func boundMemory() { panic("no limit") }
