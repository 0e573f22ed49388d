package install

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Run executes one step of an installation in dir, with env added to the environment. It ends with ctx, and so
// do all processes the step started. The error carries the last lines of what was printed.
func Run(ctx context.Context, dir string, env []string, args ...string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	OwnGroup(cmd)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return fmt.Errorf("installing: %w", context.Cause(ctx))
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", filepath.Base(args[0]), args[1], err, Tail(out))
	}
	return nil
}

// Tail returns the last lines of some output, at most 4 KiB.
func Tail(out []byte) []byte {
	const limit = 4 << 10
	return out[max(0, len(out)-limit):]
}
