package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
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
	for i, name := range path {
		if i == 1 && path[0] == "Methods" {
			key = append(key, quoted(name))
		} else {
			key = append(key, keyOf(name))
		}
	}
	return fmt.Errorf("%s: %s%w", strings.Join(key, "."), what, e.Err)
}

var nextWord = regexp.MustCompile(`([a-z0-9])([A-Z])`)

// keyOf returns a field's key: MaxQueue is max_queue.
func keyOf(name string) string {
	return strings.ToLower(nextWord.ReplaceAllString(name, "${1}_${2}"))
}

var bareKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// quoted returns a method's name as a key, which is in quotes if a file needs them.
func quoted(name string) string {
	if bareKey.MatchString(name) {
		return name
	}
	return strconv.Quote(name)
}
