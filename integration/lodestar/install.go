package lodestar

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/seed-2dd5877b/reqresp/integration/internal/install"
)

// ErrNoNode says that Node.js or npm is not on the PATH. It is the one reason for which a test may skip.
var ErrNoNode = errors.New("lodestar: node and npm are needed and not on the PATH")

// files are what an installation consists of before npm has run.
//
//go:embed package.json .npmrc polyfill.cjs orphan.cjs blocks.mjs
var files embed.FS

// entry is Lodestar's command line, relative to an installation.
const entry = "node_modules/@chainsafe/lodestar/lib/index.js"

// native are the packages that are compiled on this machine. The install scripts of all others stay off.
var native = []string{"snappy", "bcrypto", "bigint-buffer", "c-kzg"}

// Install makes sure that Lodestar is installed and returns the folder it is in. The folder belongs to all
// processes of the user: callers do not change it.
//
// The first call on a machine downloads some 850 npm packages and compiles four of them, which takes one to
// three minutes and needs a C++ compiler, make and Python 3. The result, about 290 MB, is kept in
// [os.UserCacheDir] under reqresp/lodestar-<hash>, where the hash covers the dependencies and the version of Node,
// and later calls find it in well under a second. It appears there complete or not at all. Install may be
// called concurrently, also by several processes: one installs, the others wait for it.
//
// The error is [ErrNoNode] if Node or npm is missing, the cause of ctx if that ends first, and else
// carries the last lines of what npm printed.
func Install(ctx context.Context) (dir string, err error) {
	t, err := findToolchain(ctx)
	if err != nil {
		return "", err
	}
	dir, err = install.Dir("lodestar", t.abi, files)
	if err != nil {
		return "", fmt.Errorf("lodestar: %w", err)
	}
	if err := install.Once(ctx, dir, t.install); err != nil {
		return "", fmt.Errorf("lodestar: %w", err)
	}
	return dir, nil
}

// toolchain is the machine's Node.
type toolchain struct {
	node, npm string // absolute paths
	abi       string // what compiled packages depend on
}

func findToolchain(ctx context.Context) (toolchain, error) {
	node, nodeErr := exec.LookPath("node")
	npm, npmErr := exec.LookPath("npm")
	if err := errors.Join(nodeErr, npmErr); err != nil {
		return toolchain{}, fmt.Errorf("%w: %w", ErrNoNode, err)
	}
	const describe = "[process.platform, process.arch, process.version].join('-')"
	abi, err := exec.CommandContext(ctx, node, "-p", describe).Output()
	if ctx.Err() != nil {
		return toolchain{}, fmt.Errorf("lodestar: installing: %w", context.Cause(ctx))
	}
	if err != nil {
		return toolchain{}, fmt.Errorf("lodestar: %s does not run: %w", node, err)
	}
	return toolchain{node: node, npm: npm, abi: string(bytes.TrimSpace(abi))}, nil
}

// install builds in the empty folder dir.
func (t toolchain) install(ctx context.Context, dir string) error {
	if err := os.CopyFS(dir, files); err != nil {
		return err
	}
	steps := []struct {
		advice string
		args   []string
	}{
		{"is the npm registry reachable?", []string{t.npm, "install", "--ignore-scripts"}},
		{
			"compiling needs a C++ compiler, make, Python 3 and the headers of Node",
			append([]string{t.npm, "rebuild"}, native...),
		},
		{"does this version of Node suit?", []string{t.node, "--require", "./polyfill.cjs", entry, "--help"}},
	}
	for _, s := range steps {
		if err := install.Run(ctx, dir, t.env(), s.args...); err != nil {
			return fmt.Errorf("%w (%s)", err, s.advice)
		}
	}
	return nil
}

// env points node-gyp at the headers that came with Node, where there are any: else it downloads them.
func (t toolchain) env() []string {
	node, err := filepath.EvalSymlinks(t.node)
	if err != nil {
		return nil
	}
	prefix := filepath.Dir(filepath.Dir(node))
	if _, err := os.Stat(filepath.Join(prefix, "include", "node", "node_api.h")); err != nil {
		return nil
	}
	return []string{"npm_config_nodedir=" + prefix}
}
