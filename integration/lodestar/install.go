package lodestar

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"
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
	dir, err = t.cacheDir()
	if err != nil {
		return "", err
	}
	if installed(dir) {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("lodestar: cache folder: %w", err)
	}
	unlock, err := lock(ctx, dir+".lock")
	if err != nil {
		return "", fmt.Errorf("lodestar: waiting for another installation: %w", err)
	}
	defer unlock()
	if installed(dir) {
		return dir, nil
	}
	return dir, t.install(ctx, dir)
}

func installed(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, entry))
	return err == nil
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

// cacheDir returns the folder for these files and this Node.
func (t toolchain) cacheDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("lodestar: no cache folder, set HOME or XDG_CACHE_HOME: %w", err)
	}
	h := sha256.New()
	fmt.Fprintln(h, t.abi)
	err = fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := files.ReadFile(path)
		fmt.Fprintf(h, "%s %d %s", path, len(data), data)
		return err
	})
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "reqresp", fmt.Sprintf("lodestar-%x", h.Sum(nil)[:8])), nil
}

// install builds in a sibling of dir and renames it when it is complete. The caller holds the lock.
func (t toolchain) install(ctx context.Context, dir string) error {
	tmp := dir + ".tmp"
	if err := os.RemoveAll(tmp); err != nil { // of an installation that was killed
		return fmt.Errorf("lodestar: %w", err)
	}
	defer os.RemoveAll(tmp)
	if err := os.CopyFS(tmp, files); err != nil {
		return fmt.Errorf("lodestar: %w", err)
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
		if err := t.run(ctx, tmp, s.args...); err != nil {
			return fmt.Errorf("%w (%s)", err, s.advice)
		}
	}
	if err := os.Rename(tmp, dir); err != nil {
		return fmt.Errorf("lodestar: %w", err)
	}
	return nil
}

// run executes one step, children included, within ctx.
func (t toolchain) run(ctx context.Context, dir string, args ...string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), t.env()...)
	ownGroup(cmd)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return fmt.Errorf("lodestar: installing: %w", context.Cause(ctx))
	}
	if err != nil {
		return fmt.Errorf("lodestar: %s %s: %w\n%s", filepath.Base(args[0]), args[1], err, tail(out))
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

// tail returns the last lines of some output.
func tail(out []byte) []byte {
	const limit = 4 << 10
	return out[max(0, len(out)-limit):]
}
