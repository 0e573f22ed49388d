package settings

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// A File is what a TOML file says, in its order.
type File []Entry

// An Entry is a table, or a key with its value.
type Entry struct {
	// Path is the key with those of its tables. The reader of a file may change it before the file is applied.
	Path  []string
	line  int
	value any // nil for a table
}

// Decode reads a file. An error begins with the line.
func Decode(data []byte) (File, error) {
	d := decoder{tree: make(map[string]any)}
	if err := toml.Unmarshal(data, &d.tree); err != nil {
		if bad, ok := errors.AsType[*toml.DecodeError](err); ok {
			line, _ := bad.Position()
			return nil, fmt.Errorf("%d: %s", line, strings.TrimPrefix(bad.Error(), "toml: "))
		}
		return nil, err
	}
	d.Reset(data)
	var table []string
	for d.NextExpression() {
		switch e := d.Expression(); e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = d.add(nil, e)
		case unstable.KeyValue:
			d.pair(table, e)
		default: // a comment
		}
	}
	return d.file, nil
}

// A decoder finds where the keys of a file are. The parser checks less than the library's decoder, which has the
// values.
type decoder struct {
	unstable.Parser
	tree map[string]any
	file File
}

// add adds what the key of a node names, and returns its path.
func (d *decoder) add(table []string, n *unstable.Node) []string {
	e := Entry{Path: slices.Clone(table)}
	for parts := n.Key(); parts.Next(); {
		e.Path = append(e.Path, string(parts.Node().Data))
		e.line = d.Shape(parts.Node().Raw).Start.Line
	}
	e.value = d.tree
	for _, part := range e.Path {
		in, _ := e.value.(map[string]any)
		e.value = in[part]
	}
	if _, ok := e.value.(map[string]any); ok {
		e.value = nil
	}
	d.file = append(d.file, e)
	return e.Path
}

// pair adds a key, and what is inline in its value.
func (d *decoder) pair(table []string, n *unstable.Node) {
	path := d.add(table, n)
	if n.Value().Kind != unstable.InlineTable {
		return
	}
	for inner := n.Value().Children(); inner.Next(); {
		d.pair(path, inner.Node())
	}
}

// Apply sets what a file sets. An error begins with the line and names the key. A key that the table does not have
// is an error, which names those that there are.
func (t Table) Apply(f File) error {
	done := make(map[*Setting]bool)
	for _, e := range f {
		s, err := t.find(e)
		if err == nil && s != nil {
			err = s.decode(s.Key, e.value)
			if done[s] {
				err = fmt.Errorf("%s is set twice", s.Key)
			}
			done[s] = true
		}
		if err != nil {
			return fmt.Errorf("%d: %w", e.line, err)
		}
	}
	return nil
}

// find returns the setting of an entry, nil for a table. The parts of keys may be written with or without capitals
// and underscores: DataDir is data_dir.
func (t Table) find(e Entry) (*Setting, error) {
	var path []string
	for _, part := range e.Path {
		children := t.children(path)
		i := slices.Index(children, part)
		if i < 0 {
			i = slices.IndexFunc(children, func(child string) bool { return fold(child) == fold(part) })
		}
		if i < 0 {
			at := "the top level"
			if len(path) > 0 {
				at = "[" + Key(path...) + "]"
			}
			return nil, fmt.Errorf("unknown key %s: %s has %s", Key(e.Path...), at, strings.Join(children, ", "))
		}
		path = append(path, children[i])
	}
	i := slices.IndexFunc(t, func(s *Setting) bool { return slices.Equal(s.path(), path) })
	switch {
	case i >= 0 && e.value == nil:
		return nil, fmt.Errorf("%s is a table: want %s", Key(path...), t[i].wantInFile())
	case i >= 0:
		return t[i], nil
	case e.value != nil:
		return nil, fmt.Errorf("%s: want a table with %s", Key(path...), strings.Join(t.children(path), ", "))
	}
	return nil, nil
}

func fold(key string) string { return strings.ToLower(strings.ReplaceAll(key, "_", "")) }

// children returns the keys that may be in a table, sorted.
func (t Table) children(table []string) []string {
	var keys []string
	for _, s := range t {
		if path := s.path(); len(path) > len(table) && slices.Equal(path[:len(table)], table) {
			keys = append(keys, path[len(table)])
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// decode sets the value that a file has.
func (s *Setting) decode(key string, value any) error {
	values, isList := value.([]any)
	if !isList {
		values = []any{value}
	}
	texts := make([]string, len(values))
	for i, v := range values {
		var k kind
		if texts[i], k = textOf(v); s.kind != gone && (k != s.kind || isList != s.list) {
			return fmt.Errorf("%s: %v: want %s", key, value, s.wantInFile())
		}
	}
	return s.assign(key, texts)
}

func textOf(value any) (string, kind) {
	switch v := value.(type) {
	case string:
		return v, text
	case bool:
		return strconv.FormatBool(v), boolean
	case int64:
		return strconv.FormatInt(v, 10), number
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), number
	}
	return "", gone // a date, or a list of lists
}

func (s *Setting) wantInFile() string {
	switch {
	case s.list:
		return "a list of texts, each in quotes"
	case s.kind == text:
		return "a text in quotes"
	}
	return s.want
}

// Key returns the key of a path. Parts that are not bare keys are in quotes.
func Key(path ...string) string {
	const bare = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
	parts := slices.Clone(path)
	for i, part := range parts {
		if part == "" || strings.Trim(part, bare) != "" {
			parts[i] = strconv.Quote(part)
		}
	}
	return strings.Join(parts, ".")
}

// path is the reverse of Key.
func (s *Setting) path() (path []string) {
	for rest := s.Key; rest != ""; {
		part, err := strconv.QuotedPrefix(rest)
		name := ""
		if err != nil {
			part, _, _ = strings.Cut(rest, ".")
			name = part
		} else {
			name, _ = strconv.Unquote(part)
		}
		path = append(path, name)
		rest = strings.TrimPrefix(rest[len(part):], ".")
	}
	return path
}
