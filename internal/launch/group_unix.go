//go:build unix

package launch

import (
	"os/exec"
	"syscall"
)

const stopSignal = syscall.SIGTERM

func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
