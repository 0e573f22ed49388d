// Package settings declares what the users of a program can set. One [Setting] has the key in a
// file, the flag, the environment variable, the help, the type and what is allowed:
//
//	table := settings.Table{
//		settings.New("http.port", "http.port", settings.Number(&c.Port, 0, 65535), "TCP `PORT`"),
//	}
//	file, err := settings.Decode(data)
//	…
//	err = table.Apply(file)       // sets c.Port, or names the key, the value and what is allowed
//	err = table.Write(os.Stdout)  // prints what differs, and the rest as comments
//
// A table is not safe for concurrent use.
package settings

import (
	"fmt"
	"strings"
)

// A Setting is one thing that a user can set. A copy of it must not be used.
type Setting struct {
	// Key is the setting's key in a file after those of its tables, such as "http.port". Empty keeps the setting
	// out of files.
	Key string
	// Flag is the name of the setting's flag. Empty means that there is none.
	Flag string
	// Usage says in one line what is set. A word in backquotes stands for the value.
	Usage string
	// Env has the setting read from its environment variable although it has no key. With a key it always is.
	Env bool

	Value

	given    bool
	marked   bool
	defaults []string // once marked
}

// New returns a setting. The key or the flag may be empty.
func New(key, flag string, v Value, usage string) *Setting {
	return &Setting{Key: key, Flag: flag, Usage: usage, Value: v}
}

// A Table is the settings of a program or a command. Keys and flags are unique in it.
type Table []*Setting

// Variable returns the name of the setting's environment variable: REQRESP_HTTP_PORT of the flag http.port. It is
// empty if the setting has none.
func (s *Setting) Variable() string {
	if s.Flag == "" || s.Key == "" && !s.Env {
		return ""
	}
	return "REQRESP_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(s.Flag))
}

// Given reports whether Set was called.
func (s *Setting) Given() bool { return s.given }

// Set sets the value to what is given at a place, such as "--http.port". The error names the place, the value and
// what is allowed. A list takes several texts, and several elements in a text with commas between.
func (s *Setting) Set(place string, texts ...string) error {
	if s.list {
		texts = strings.Split(strings.Join(texts, ","), ",")
	}
	return s.assign(place, texts)
}

func (s *Setting) assign(place string, texts []string) error {
	if !s.marked {
		Table{s}.Mark()
	}
	s.given = true
	if err := s.set(texts); err != nil {
		return fmt.Errorf("%s: %w", place, err)
	}
	return nil
}

// Mark takes the present values for the defaults, as if nothing had been set. Setting a value marks it if nothing else
// did.
func (t Table) Mark() {
	for _, s := range t {
		s.given, s.marked, s.defaults = false, true, s.get()
	}
}

// Default returns the texts of the default.
func (s *Setting) Default() []string {
	if s.marked {
		return s.defaults
	}
	return s.get()
}

// Placeholder returns the word that stands for the value in Usage, and Usage without backquotes.
func (s *Setting) Placeholder() (word, usage string) {
	before, rest, ok := strings.Cut(s.Usage, "`")
	if !ok {
		return "", s.Usage
	}
	word, after, _ := strings.Cut(rest, "`")
	return word, before + word + after
}

// Flag returns the setting with a flag, nil if there is none.
func (t Table) Flag(name string) *Setting {
	for _, s := range t {
		if s.Flag == name {
			return s
		}
	}
	return nil
}

// Given reports whether the setting with a flag was set.
func (t Table) Given(flag string) bool {
	s := t.Flag(flag)
	return s != nil && s.given
}

// In returns the settings with these keys, and those of the tables with these keys, in the order of t.
func (t Table) In(keys ...string) Table {
	var in Table
	for _, s := range t {
		for _, key := range keys {
			if s.Key == key || strings.HasPrefix(s.Key, key+".") {
				in = append(in, s)
			}
		}
	}
	return in
}
