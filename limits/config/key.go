package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-2dd5877b/reqresp/internal/field"
	"github.com/seed-2dd5877b/reqresp/internal/settings"
)

// byKey has the error of a field of a Config begin with the key that a file has for it, which is in a table.
func byKey(err error, table ...string) error {
	e, ok := errors.AsType[*field.Error](err)
	if !ok {
		return err
	}
	path, what := e.Path, ""
	// A rate is one text in a file: its fields have no keys.
	if last := len(path) - 1; slices.Contains([]string{"N", "Per", "Burst"}, path[last]) {
		path, what = path[:last], path[last]+" "
	}
	key := table
	for i, name := range path {
		if i != 1 || path[0] != "Methods" {
			name = keyOf(name)
		}
		key = append(key, name)
	}
	return fmt.Errorf("%s: %s%w", settings.Key(key...), what, e.Err)
}

var nextWord = regexp.MustCompile(`([a-z0-9])([A-Z])`)

// keyOf returns a field's key: MaxQueue is max_queue.
func keyOf(name string) string {
	return strings.ToLower(nextWord.ReplaceAllString(name, "${1}_${2}"))
}
