package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Load sets what a file sets. The error names the file, and the line or the key. Keys are not held against
// each other, which is for Validate when all is set.
func (c *Config) Load(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	if err := c.decode(text); err != nil {
		return fmt.Errorf("%s:%w", path, err)
	}
	if err := c.validateKeys(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// decode begins its errors with the line.
func (c *Config) decode(text []byte) error {
	err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(c)
	if unknown, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		first := unknown.Errors[0]
		line, column := first.Position()
		return fmt.Errorf("%d: %w", line, unknownKey(inlined(first.Key(), text, line, column)))
	}
	if wrong, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, _ := wrong.Position()
		if key := wrong.Key(); len(key) > 0 {
			return fmt.Errorf("%d: %s: %s", line, strings.Join(key, "."), explainType(strings.TrimPrefix(wrong.Error(), "toml: ")))
		}
		return fmt.Errorf("%d: %s", line, strings.TrimPrefix(wrong.Error(), "toml: "))
	}
	if err != nil {
		return fmt.Errorf(" %w", err)
	}
	return nil
}

// fieldType is how the decoder tells what it wants: by the field of a struct, or what a map holds.
var fieldType = regexp.MustCompile(` into (?:struct field \S+ of type )?(\S+)$`)

// explainType tells what is wanted in the words of the file.
func explainType(text string) string {
	return fieldType.ReplaceAllStringFunc(text, func(into string) string {
		switch of := fieldType.FindStringSubmatch(into)[1]; of {
		case "string":
			return ": want a text in quotes"
		case "[]string":
			return ": want a list of texts, each in quotes"
		case "bool":
			return ": want true or false"
		case "int", "uint64":
			return ": want a whole number"
		case "float64":
			return ": want a number"
		default:
			return ": want a table"
		}
	})
}

// unknownKey tells of a key that there is not, and of those that there are in its place.
func unknownKey(key []string) error {
	at, where := reflect.TypeFor[Config](), []string{}
	for _, part := range key[:len(key)-1] {
		at = typeOf(at, part)
		if at == nil {
			break
		}
		where = append(where, part)
	}
	if at == nil || at.Kind() != reflect.Struct {
		return fmt.Errorf("unknown key %s", strings.Join(key, "."))
	}
	place := "the top level"
	if len(where) > 0 {
		place = "[" + strings.Join(where, ".") + "]"
	}
	return fmt.Errorf("unknown key %s: %s has %s", strings.Join(key, "."), place, strings.Join(keysOf(at), ", "))
}

// typeOf returns the type of a key's value in a table, nil if there is no such key.
func typeOf(table reflect.Type, key string) reflect.Type {
	if table.Kind() == reflect.Map {
		return pointed(table.Elem())
	}
	if table.Kind() == reflect.Struct {
		for _, f := range reflect.VisibleFields(table) {
			if keyOf(f) == key {
				return pointed(f.Type)
			}
		}
	}
	return nil
}

func pointed(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// keyOf returns the key that sets a field.
func keyOf(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
	return cmp.Or(name, f.Name)
}

func keysOf(table reflect.Type) (keys []string) {
	for _, f := range reflect.VisibleFields(table) {
		if !f.Anonymous {
			keys = append(keys, keyOf(f))
		}
	}
	slices.Sort(keys)
	return keys
}

// Write writes all settings as a file that Load reads, with the limits of all methods.
func (c *Config) Write(w io.Writer) error {
	limits, err := c.Limits.Config()
	if err != nil {
		return err
	}
	full := *c
	if full.Limits, err = limits.File(); err != nil {
		return err
	}
	return toml.NewEncoder(w).Encode(full)
}
