package settings

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Write writes the settings that have keys as a file. It sets those that differ from their defaults. The others are in
// comments, so that they keep the defaults of whoever reads the file.
func (t Table) Write(w io.Writer) error {
	var b bytes.Buffer
	for _, table := range t.tables() {
		if table != "" {
			fmt.Fprintf(&b, "\n[%s]\n", table)
		}
		for _, s := range t {
			if !s.printed() || s.table() != table {
				continue
			}
			if err := s.write(&b); err != nil {
				return err
			}
		}
	}
	_, err := w.Write(bytes.TrimLeft(b.Bytes(), "\n"))
	return err
}

// tables returns the tables with settings to print. Keys at the top level come first, as they have to.
func (t Table) tables() []string {
	var tables []string
	for _, s := range t {
		if table := s.table(); s.printed() && !slices.Contains(tables, table) {
			tables = append(tables, table)
		}
	}
	slices.SortStableFunc(tables, func(a, b string) int { return min(len(a), 1) - min(len(b), 1) })
	return tables
}

// table returns the key of the table that the setting is in.
func (s *Setting) table() string {
	path := s.path()
	return Key(path[:max(len(path)-1, 0)]...)
}

// printed leaves out what has no help and no value, such as a switch that is off.
func (s *Setting) printed() bool {
	value := s.get()
	return s.Key != "" && s.kind != gone && (s.Usage != "" || len(value) > 0 && value[0] != "false")
}

func (s *Setting) write(b *bytes.Buffer) error {
	if word, usage := s.Placeholder(); usage != "" {
		if len(word) > len("MIB") { // else it is an abbreviation
			usage = strings.Replace(usage, word, strings.ToLower(word), 1)
		}
		fmt.Fprintf(b, "# %s%s\n", usage, s.wantInComment())
	}
	if texts := s.get(); slices.Equal(texts, s.Default()) {
		b.WriteString("# ")
	}
	path := s.path()
	value, err := s.encode()
	fmt.Fprintf(b, "%s =%s\n", Key(path[len(path)-1]), value)
	return err
}

func (s *Setting) wantInComment() string {
	if s.want == "" || s.kind == boolean {
		return ""
	}
	return ": " + s.want
}

// encode returns the value as a file has it, after a space. A value that nothing stands for is empty.
func (s *Setting) encode() (string, error) {
	texts := s.get()
	var value any
	switch {
	case s.list:
		value = append([]string{}, texts...)
	case len(texts) == 0:
		return "", nil
	case s.kind != text:
		return " " + texts[0], nil
	default:
		value = texts[0]
	}
	line, err := toml.Marshal(map[string]any{"k": value})
	return strings.TrimSuffix(strings.TrimPrefix(string(line), "k ="), "\n"), err
}
