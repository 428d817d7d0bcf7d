//go:build !amd64 || noasm

package cpu

const haveAVX2, haveAVX512 = false, false

var leavesAVX2, leavesAVX512 leaves
