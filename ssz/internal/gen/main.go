// Command gen writes the containers of package ssz and of the packages below it from the
// definitions in ssz/definitions: Go types, their shapes, and through fastssz's generator the code
// that encodes, decodes and hashes them.
//
// It runs in the directory of package ssz:
//
//	go generate ./ssz
//
// To add a container, write it into the file of its fork and generate. A message of Req/Resp also
// needs a row in messageTypes of ssz/type.go, by hand. A fork that has no file yet is added to forks
// in this file.
package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/ferranbt/fastssz/sszgen/generator"
)

// forks are the forks that change containers, oldest first.
var forks = []string{"phase0", "altair", "bellatrix", "capella", "deneb", "electra", "fulu", "gloas", "heze"}

// presets are the presets in the order in which sizes hold their values.
var presets = [...]string{"mainnet", "minimal", "gnosis"}

func main() {
	log.SetOutput(io.Discard) //nolint:forbidigo // fastssz's generator logs what it skips
	if err := run("definitions", "."); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(definitions, out string) error {
	consts, err := readConstants(definitions)
	if err != nil {
		return err
	}
	blocks, err := resolveForks(definitions, forks, consts)
	if err != nil {
		return err
	}
	messages, err := resolveForks(definitions, []string{"messages"}, consts)
	if err != nil {
		return err
	}
	for _, p := range targets {
		of := blocks
		if p.name == "ssz" {
			of = messages
		}
		if err := p.write(out, of); err != nil {
			return fmt.Errorf("package %s: %w", p.name, err)
		}
	}
	if err := writePresets(filepath.Join(out, "presets_generated.go"), consts); err != nil {
		return err
	}
	return writeTable(filepath.Join(out, "containers_generated.go"), blocks)
}

// A target is a package to be written.
type target struct {
	name   string // the package
	dir    string // relative to package ssz
	preset int    // whose sizes the package has
	shared bool   // the package has the containers that do not depend on the preset
}

var targets = []target{
	{name: "ssz", dir: ".", shared: true},
	{name: "containers", dir: "containers", shared: true},
	{name: "mainnet", dir: "mainnet", preset: 0},
	{name: "minimal", dir: "minimal", preset: 1},
	{name: "gnosis", dir: "gnosis", preset: 2},
}

// has reports whether the package is the one that defines a container for the package's preset.
func (p target) has(c *container) bool {
	return p.shared && !c.varies() || !p.shared && c.home(p.preset) == p.name
}

// write writes the package's types, and fastssz's code for them.
func (p target) write(out string, all []*container) error {
	dir := filepath.Join(out, p.dir)
	if err := removeGenerated(dir); err != nil {
		return err
	}
	all = slices.DeleteFunc(slices.Clone(all), func(c *container) bool { return !p.has(c) })
	if err := p.writeShapes(filepath.Join(dir, "shapes_generated.go"), all); err != nil {
		return err
	}
	encoding := filepath.Join(dir, "encoding_generated.go")
	if p.name == "ssz" {
		types := filepath.Join(dir, "messages_generated.go")
		if err := p.writeTypes(types, all); err != nil {
			return err
		}
		return encode(types, encoding, filepath.Join(dir, "types.go"))
	}
	byFork := map[string][]*container{}
	for _, c := range all {
		byFork[c.fork] = append(byFork[c.fork], c)
	}
	for fork, containers := range byFork {
		if err := p.writeTypes(filepath.Join(dir, fork+"_generated.go"), containers); err != nil {
			return err
		}
	}
	if err := encode(dir, encoding, p.include(out)...); err != nil {
		return err
	}
	return removeHashMethods(encoding, all)
}

// include returns the directories of the packages that the package's containers refer to.
func (p target) include(out string) []string {
	switch {
	case p.shared:
		return nil
	case p.preset == 0:
		return []string{filepath.Join(out, "containers")}
	default: // what is as in the first preset is taken from there
		return []string{filepath.Join(out, "containers"), filepath.Join(out, presets[0])}
	}
}

// What encode takes out of fastssz's code: comments on fields, and blank lines in functions.
var (
	fieldComment = regexp.MustCompile(`(?m)^\s*// (Field|Offset) \(\d+\) .*\n`)
	blankLine    = regexp.MustCompile(`\n\n+(\t|})`)
)

// encode runs fastssz's generator and makes its code compact. It parts the comment that it begins
// its file with from the package clause: it is not the package's documentation.
func encode(source, path string, include ...string) error {
	if err := generator.Encode(source, nil, path, include, nil, ""); err != nil {
		return err
	}
	code, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	code = bytes.Replace(code, []byte("\npackage "), []byte("\n\npackage "), 1)
	code = fieldComment.ReplaceAll(code, nil)
	code = blankLine.ReplaceAll(code, []byte("\n$1"))
	return os.WriteFile(path, code, 0o644)
}

// removeHashMethods removes the methods in whose stead writeTypes has written others.
func removeHashMethods(path string, containers []*container) error {
	code, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for _, c := range containers {
		if !c.hashedByShape() {
			continue
		}
		comment := fmt.Appendf(nil, "// HashTreeRootWith ssz hashes the %s object", c.goName)
		before, method, ok := bytes.Cut(code, comment)
		_, after, end := bytes.Cut(method, []byte("\n}\n\n"))
		if !ok || !end {
			return fmt.Errorf("%s: no HashTreeRootWith of %s", path, c.goName)
		}
		code = append(before, after...)
	}
	return os.WriteFile(path, code, 0o644)
}

func removeGenerated(dir string) error {
	old, err := filepath.Glob(filepath.Join(dir, "*_generated.go"))
	for _, path := range old {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return err
}
