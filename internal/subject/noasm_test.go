//go:build noasm

package subject

const noasm = true
