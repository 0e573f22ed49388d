package main

import (
	"bufio"
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A definition is a container as a file has it: its field's types are not resolved yet.
type definition struct {
	name        string
	doc         []string
	progressive bool
	upTo        ast.Expr // the most bytes, or nil
	fields      []fieldDefinition
}

type fieldDefinition struct {
	name string
	doc  []string
	typ  ast.Expr
}

// A file is the content of a .containers file in its order.
type file struct {
	aliases    map[string]ast.Expr
	containers []*definition
}

// parseFile reads a .containers file.
func parseFile(path string) (*file, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &file{aliases: map[string]ast.Expr{}}
	var doc []string
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if comment, ok := strings.CutPrefix(line, "#"); ok {
			doc = append(doc, strings.TrimSpace(comment))
			continue
		}
		if err := f.add(line, doc); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		doc = nil
	}
	return f, lines.Err()
}

// add takes in one line, which is not a comment.
func (f *file) add(line string, doc []string) error {
	if line == "" {
		return nil
	}
	header, progressive := strings.CutPrefix(line, "progressive ")
	if header, ok := strings.CutPrefix(header, "container "); ok {
		return f.addContainer(&definition{progressive: progressive, doc: doc}, header)
	}
	if name, text, ok := strings.Cut(line, " = "); ok {
		typ, err := parseType(text)
		f.aliases[name] = typ
		return err
	}
	name, text, ok := strings.Cut(line, ": ")
	if !ok || len(f.containers) == 0 {
		return fmt.Errorf("%q is neither a container nor a field nor a name for a type", line)
	}
	typ, err := parseType(text)
	c := f.containers[len(f.containers)-1]
	c.fields = append(c.fields, fieldDefinition{name, doc, typ})
	return err
}

// addContainer takes in what follows the word container.
func (f *file) addContainer(c *definition, header string) (err error) {
	f.containers = append(f.containers, c)
	var bound string
	c.name, bound, _ = strings.Cut(header, " ")
	if bound == "" {
		return nil
	}
	number, ok := strings.CutPrefix(bound, "up to ")
	number, unit := strings.CutSuffix(number, " bytes")
	if !ok || !unit {
		return fmt.Errorf("%q is no bound: want up to N bytes", bound)
	}
	c.upTo, err = parseType(number)
	return err
}

// parseType lets Go's parser read a type: written with round brackets, it is a Go expression.
func parseType(text string) (ast.Expr, error) {
	return parser.ParseExpr(strings.NewReplacer("[", "(", "]", ")").Replace(text))
}

// sizes are the values of a number in each preset.
type sizes [len(presets)]uint64

// same returns the sizes of a number that is the same in all presets.
func same(n uint64) (s sizes) {
	for p := range s {
		s[p] = n
	}
	return s
}

// A constant is a number of the .preset files.
type constant struct {
	sizes
	fork string // the first that uses it; empty as long as none has
}

// readConstants reads the .preset files.
func readConstants(dir string) (map[string]*constant, error) {
	consts := map[string]*constant{}
	for i, name := range append([]string{"common"}, presets[:]...) {
		values, err := readPreset(filepath.Join(dir, name+".preset"))
		if err != nil {
			return nil, err
		}
		for key, value := range values {
			if consts[key] == nil {
				consts[key] = new(constant)
			}
			s := &consts[key].sizes
			if i == 0 {
				*s = same(value)
			} else {
				s[i-1] = value
			}
		}
	}
	return consts, nil
}

func readPreset(path string) (map[string]uint64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	values := map[string]uint64{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, number, _ := strings.Cut(line, ": ")
		value, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		values[key] = value
	}
	return values, nil
}
