//go:build !unix

package launch

import (
	"os"
	"os/exec"
)

// There is no gentle signal here.
var stopSignal = os.Kill

func ownGroup(*exec.Cmd) {}
