//go:build unix

package main

import (
	"strconv"
	"syscall"
)

// fileSizeLimit names the variable by which a test lets its child process
// write files of so many bytes only, as on a full disk.
const fileSizeLimit = "SKETCHBENCH_TEST_FSIZE"

func limitFileSize(bytes string) {
	if bytes == "" {
		return
	}
	n, err := strconv.ParseUint(bytes, 10, 64)
	if err == nil {
		err = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n})
	}
	if err != nil {
		panic(err)
	}
}
