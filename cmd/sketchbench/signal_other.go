//go:build !unix

package main

import "syscall"

// There is no SIGUSR2 here; SIGTERM stands in.
const sigusr2 = syscall.SIGTERM
