//go:build unix

package launch

import "syscall"

// boundMemory leaves this process 2 GiB of addresses.
func boundMemory() {
	limit := syscall.Rlimit{Cur: 1 << 31, Max: 1 << 31}
	if err := syscall.Setrlimit(syscall.RLIMIT_AS, &limit); err != nil {
		panic(err)
	}
}
