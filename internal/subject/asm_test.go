//go:build !noasm

package subject

const noasm = false
