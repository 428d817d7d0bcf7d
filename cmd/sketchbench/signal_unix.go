//go:build unix

package main

import "syscall"

const sigusr2 = syscall.SIGUSR2
