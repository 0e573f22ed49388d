// Package install puts other people's programs that tests run into the user's cache folder, once for all
// processes.
package install

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Dir returns the folder for an installation: reqresp/<name>-<hash> in [os.UserCacheDir], where the hash
// covers files and key, which is whatever else the result depends on. Nothing is made.
func Dir(name, key string, files fs.FS) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder, set HOME or XDG_CACHE_HOME: %w", err)
	}
	h := sha256.New()
	fmt.Fprintln(h, key)
	err = fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, path)
		fmt.Fprintf(h, "%s %d %s", path, len(data), data)
		return err
	})
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "reqresp", fmt.Sprintf("%s-%x", name, h.Sum(nil)[:8])), nil
}

// Exists reports whether there is an installation in dir, which then is complete.
func Exists(dir string) bool {
	_, err := os.Stat(dir)
	return err == nil
}

// Once makes the installation dir, unless it exists. It calls build with an empty sibling of dir and renames that
// when build has succeeded: dir appears complete or not at all. Of concurrent calls for one
// folder, also by several processes, one builds and the others wait for it.
func Once(ctx context.Context, dir string, build func(ctx context.Context, tmp string) error) error {
	if Exists(dir) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("cache folder: %w", err)
	}
	unlock, err := lock(ctx, dir+".lock")
	if err != nil {
		return fmt.Errorf("waiting for another installation: %w", err)
	}
	defer unlock()
	if Exists(dir) {
		return nil
	}
	tmp := dir + ".tmp"
	if err := os.RemoveAll(tmp); err != nil { // of an installation that was killed
		return err
	}
	defer os.RemoveAll(tmp)
	if err := os.Mkdir(tmp, 0o755); err != nil {
		return err
	}
	if err := build(ctx, tmp); err != nil {
		return err
	}
	return os.Rename(tmp, dir)
}
