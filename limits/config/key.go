package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-2dd5877b/reqresp/limits/internal/field"
)

// partsOfRate are fields that have no keys of their own: a rate is one text.
var partsOfRate = []string{"N", "Per", "Burst"}

// byKey has the error of a field of a Config begin with the key that a file has for it, which is in a table.
func byKey(err error, table ...string) error {
	e, ok := errors.AsType[*field.Error](err)
	if !ok {
		return err
	}
	path, what := e.Path, ""
	if last := len(path) - 1; slices.Contains(partsOfRate, path[last]) {
		path, what = path[:last], path[last]+" "
	}
	key := table
	for _, name := range path {
		key = append(key, keyOf(name))
	}
	return fmt.Errorf("%s: %s%w", strings.Join(key, "."), what, e.Err)
}

var nextWord = regexp.MustCompile(`([a-z0-9])([A-Z])`)

// keyOf returns a field's key: MaxQueue is max_queue. The names of methods remain.
func keyOf(name string) string {
	return strings.ToLower(nextWord.ReplaceAllString(name, "${1}_${2}"))
}
