package rustpeer

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/seed-2dd5877b/reqresp/integration/internal/install"
)

// ErrNoCargo says that a program has to be built and cargo is not on the PATH. It is the one reason for which a
// test may skip.
var ErrNoCargo = errors.New("rustpeer: cargo is needed and not on the PATH")

// A Program is one of the three peers. They are built apart: none needs another.
type Program string

const (
	// Current is on libp2p 0.57.1 of 2026 with libp2p-request-response 0.30.0.
	Current Program = "current"
	// Throttled is on libp2p 0.39.1 of 2021 with libp2p-request-response 0.12.0, the last release with throttling.
	Throttled Program = "throttled"
	// Gossip is on libp2p 0.57.1 of 2026 with libp2p-gossipsub 0.50.1.
	Gossip Program = "gossip"
)

//go:embed crates/line/Cargo.toml crates/line/src crates/current/Cargo.toml crates/current/src
var currentFiles embed.FS

//go:embed crates/line/Cargo.toml crates/line/src crates/throttled/Cargo.toml crates/throttled/src
var throttledFiles embed.FS

//go:embed crates/line/Cargo.toml crates/line/src crates/gossip/Cargo.toml crates/gossip/src
var gossipFiles embed.FS

// files returns the program's sources.
func (p Program) files() (fs.FS, error) {
	switch p {
	case Current:
		return currentFiles, nil
	case Throttled:
		return throttledFiles, nil
	case Gossip:
		return gossipFiles, nil
	}
	return nil, fmt.Errorf("rustpeer: no program %q, allowed are %q, %q and %q", string(p), Current, Throttled, Gossip)
}

// Install makes sure that a program is built, and returns the path of its executable file, which belongs to all
// processes of the user.
//
// The first call on a machine downloads the crates, some 250 or 350, and compiles them, which takes one to three
// minutes and needs a C compiler for [Current]. The result, of a few megabytes, is kept in [os.UserCacheDir]
// under reqresp/rustpeer-<program>-<hash>, where the hash covers the sources. It appears there complete or not at
// all; from then on cargo is not needed. Install may be called concurrently, also by several processes: one
// builds, the others wait for it.
//
// The error is [ErrNoCargo] if there is something to build and no cargo, the cause of ctx if that ends first,
// and else carries the last lines of what cargo printed.
func Install(ctx context.Context, program Program) (path string, err error) {
	files, err := program.files()
	if err != nil {
		return "", err
	}
	dir, err := install.Dir("rustpeer-"+string(program), "", files)
	if err != nil {
		return "", fmt.Errorf("rustpeer: %w", err)
	}
	name := "rustpeer-" + string(program)
	err = install.Once(ctx, dir, func(ctx context.Context, tmp string) error {
		return build(ctx, tmp, program, files, name)
	})
	if err != nil {
		return "", fmt.Errorf("rustpeer: %w", err)
	}
	return filepath.Join(dir, name), nil
}

// build leaves the sources, the versions that cargo chose for the crates nobody pins, and the executable file in the
// empty folder dir. What cargo made on the way, half a gigabyte, is removed.
func build(ctx context.Context, dir string, program Program, files fs.FS, name string) error {
	cargo, err := exec.LookPath("cargo")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoCargo, err)
	}
	if err := os.CopyFS(dir, files); err != nil {
		return err
	}
	target := filepath.Join(dir, "target")
	command := []string{cargo, "build", "--release", "--target-dir", target}
	if nice, err := exec.LookPath("nice"); err == nil {
		command = append([]string{nice, "-n", "5"}, command...) // other tests run meanwhile
	}
	crate := filepath.Join(dir, "crates", string(program))
	if err := install.Run(ctx, crate, nil, command...); ctx.Err() != nil {
		return err
	} else if err != nil {
		return fmt.Errorf("%w (is the crates registry reachable?)", err)
	}
	if err := os.Rename(filepath.Join(target, "release", name), filepath.Join(dir, name)); err != nil {
		return err
	}
	return os.RemoveAll(target)
}
