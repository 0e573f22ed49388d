//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package lodestar

import (
	"context"
	"errors"
	"os/exec"
)

func ownGroup(*exec.Cmd) {}

func lock(context.Context, string) (unlock func(), err error) {
	return nil, errors.ErrUnsupported
}
