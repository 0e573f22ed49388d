package settings

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A kind is the type of a value in a file.
type kind int

const (
	text kind = iota
	number
	boolean
	gone // cannot be set
)

// A Value is a variable with what it may be set to. Values are given and printed as texts.
type Value struct {
	kind kind
	list bool
	want string // completes "want"
	set  func(texts []string) error
	get  func() []string // empty if there is nothing to print
}

// Want returns what is allowed, such as "a whole number from 1 to 10". It is empty if only an error says so.
func (v *Value) Want() string { return v.want }

// IsSwitch reports whether the value is true or false.
func (v *Value) IsSwitch() bool { return v.kind == boolean }

// TakesEmpty reports whether an empty text is a value.
func (v *Value) TakesEmpty() bool { return v.kind == text && !v.list }

var errNotAllowed = errors.New("not allowed")

// scalar is what parse makes of a text. Its error is replaced by one that names the text and want, unless want is
// empty.
func scalar[T any](k kind, to *T, want string, parse func(string) (T, error), format func(T) string) Value {
	set := func(texts []string) error {
		last := texts[len(texts)-1]
		v, err := parse(last)
		switch {
		case err != nil && want != "":
			return fmt.Errorf("%q: want %s", last, want)
		case err != nil:
			return err
		}
		*to = v
		return nil
	}
	return Value{kind: k, want: want, set: set, get: func() []string { return []string{format(*to)} }}
}

// Parsed is what parse makes of a text. The error of parse names the text and what is allowed.
func Parsed[T any](to *T, parse func(string) (T, error), format func(T) string) Value {
	v := scalar(text, to, "", parse, format)
	v.get = func() []string {
		if s := format(*to); s != "" {
			return []string{s}
		}
		return nil
	}
	return v
}

func same(s string) string { return s }

// checked returns what parses a text as itself. A nil check finds no fault.
func checked(check func(string) error) func(string) (string, error) {
	return func(s string) (string, error) {
		if check == nil {
			return s, nil
		}
		return s, check(s)
	}
}

// Text is a text. The error of check, which may be nil, names it and what is allowed.
func Text(to *string, check func(string) error) Value {
	return scalar(text, to, "", checked(check), same)
}

// OneOf is one of some texts.
func OneOf(to *string, allowed ...string) Value {
	want := "one of " + strings.Join(allowed, ", ")
	if len(allowed) == 2 {
		want = strings.Join(allowed, " or ")
	}
	return scalar(text, to, want, checked(func(s string) error {
		if !slices.Contains(allowed, s) {
			return errNotAllowed
		}
		return nil
	}), same)
}

// between has a value that was parsed be in a range.
func between[T cmp.Ordered](v T, err error, least, most T) (T, error) {
	if err == nil && v >= least && v <= most { // which NaN is not
		return v, nil
	}
	return v, errNotAllowed
}

// Number is a whole number in a range.
func Number(to *int, least, most int) Value {
	want := fmt.Sprintf("a whole number from %d to %d", least, most)
	return scalar(number, to, want, func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		return between(n, err, least, most)
	}, strconv.Itoa)
}

// Uint is a whole number from a least one on.
func Uint(to *uint64, least uint64) Value {
	want := fmt.Sprintf("a whole number from %d to %d", least, uint64(math.MaxUint64))
	return scalar(number, to, want, func(s string) (uint64, error) {
		n, err := strconv.ParseUint(s, 10, 64)
		return between(n, err, least, math.MaxUint64)
	}, func(n uint64) string { return strconv.FormatUint(n, 10) })
}

// Optional is a whole number that need not be set, which is when *to is nil.
func Optional(to **uint64) Value {
	n := new(uint64)
	v := Uint(n, 0).Checked(func() error { *to = n; return nil })
	get := v.get
	v.get = func() []string {
		if *to == nil {
			return nil
		}
		return get()
	}
	return v
}

// Float is a number in a range, but not zero, which stands for a default.
func Float(to *float64, least, most float64) Value {
	want := fmt.Sprintf("a number from %s to %s, but not 0", formatFloat(least), formatFloat(most))
	return scalar(number, to, want, func(s string) (float64, error) {
		n, err := strconv.ParseFloat(s, 64)
		if n == 0 {
			err = errNotAllowed
		}
		return between(n, err, least, most)
	}, formatFloat)
}

func formatFloat(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// Switch is true or false.
func Switch(to *bool) Value {
	return scalar(boolean, to, "true or false", strconv.ParseBool, strconv.FormatBool)
}

// Forever is the most of a Duration that has no upper bound.
const Forever = time.Duration(math.MaxInt64)

// Duration is a time in a range.
func Duration(to *time.Duration, least, most time.Duration) Value {
	want := fmt.Sprintf("a time from %s to %s, like 30m", short(least), short(most))
	if most == Forever {
		want = fmt.Sprintf("a time of at least %s, like 30m", short(least))
	}
	return scalar(text, to, want, func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(s)
		return between(d, err, least, most)
	}, short)
}

// short is a duration without units that are zero: 1h for 1h0m0s.
func short(d time.Duration) string {
	s := strings.Replace(d.String(), "m0s", "m", 1)
	return strings.Replace(s, "h0m", "h", 1)
}

// List is a list of texts. The error of check, which may be nil, names the text and what is allowed.
func List(to *[]string, check func(string) error) Value { return ListOf(to, checked(check), same) }

// Numbers is a list of whole numbers.
func Numbers(to *[]uint64) Value {
	return ListOf(to, func(s string) (n uint64, err error) {
		v := Uint(&n, 0)
		err = v.set([]string{s})
		return n, err
	}, func(n uint64) string { return strconv.FormatUint(n, 10) })
}

// ListOf is a list of what parse makes of each text. The error of parse names the text and what is allowed.
func ListOf[T any](to *[]T, parse func(string) (T, error), format func(T) string) Value {
	get := func() (texts []string) {
		for _, v := range *to {
			texts = append(texts, format(v))
		}
		return texts
	}
	return Whole(get, func(texts []string) error {
		parsed := make([]T, len(texts))
		for i, s := range texts {
			var err error
			if parsed[i], err = parse(s); err != nil {
				return err
			}
		}
		*to = parsed
		return nil
	})
}

// Whole is a list of texts that are set together. The error of set names what is not allowed and what is.
func Whole(get func() []string, set func(texts []string) error) Value {
	return Value{list: true, get: get, set: func(given []string) error {
		return set(slices.DeleteFunc(slices.Clone(given), func(s string) bool { return s == "" }))
	}}
}

// Checked returns the value with one more check, after it was set.
func (v Value) Checked(check func() error) Value {
	set := v.set
	v.set = func(texts []string) error {
		if err := set(texts); err != nil {
			return err
		}
		return check()
	}
	return v
}

// Gone is a value that can no longer be set. The error says what to write in its place.
func Gone(instead string) Value {
	return Value{kind: gone, set: func([]string) error { return errors.New(instead) }, get: func() []string { return nil }}
}
