//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package install

import (
	"context"
	"errors"
	"os/exec"
)

// OwnGroup does nothing on systems without process groups.
func OwnGroup(*exec.Cmd) {}

func lock(context.Context, string) (unlock func(), err error) {
	return nil, errors.ErrUnsupported
}
