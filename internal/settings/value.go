package settings

import (
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

// Want returns what is allowed, such as "a whole number from 1 to 10".
func (v *Value) Want() string { return v.want }

// IsSwitch reports whether the value is true or false.
func (v *Value) IsSwitch() bool { return v.kind == boolean }

// TakesEmpty reports whether an empty text is a value.
func (v *Value) TakesEmpty() bool { return v.kind == text && !v.list }

// IsList reports whether several texts may be given.
func (v *Value) IsList() bool { return v.list }

// reject returns the error of a value that is not allowed.
func (v *Value) reject(text string) error { return fmt.Errorf("%q: want %s", text, v.want) }

// scalar makes a value of one text from how it is read and printed. A nil error of parse that is not ok asks for
// the error that names what is wanted.
func scalar(k kind, want string, parse func(string) (ok bool, err error), print func() string) Value {
	v := Value{kind: k, want: want}
	v.set = func(texts []string) error {
		last := texts[len(texts)-1]
		if ok, err := parse(last); err != nil || ok {
			return err
		}
		return v.reject(last)
	}
	v.get = func() []string { return []string{print()} }
	return v
}

// Text is a text that check, if it is not nil, finds no fault with. The error of check names the value.
func Text(to *string, want string, check func(string) error) Value {
	return scalar(text, want, func(s string) (bool, error) {
		if check != nil {
			if err := check(s); err != nil {
				return false, err
			}
		}
		*to = s
		return true, nil
	}, func() string { return *to })
}

// OneOf is one of some texts.
func OneOf(to *string, allowed ...string) Value {
	return scalar(text, oneOf(allowed), func(s string) (bool, error) {
		if !slices.Contains(allowed, s) {
			return false, nil
		}
		*to = s
		return true, nil
	}, func() string { return *to })
}

func oneOf(allowed []string) string {
	if len(allowed) == 2 {
		return strings.Join(allowed, " or ")
	}
	return "one of " + strings.Join(allowed, ", ")
}

// Parsed is what parse makes of a text. The error of parse names the value and what is allowed. An empty text is
// not printed.
func Parsed[T any](to *T, want string, parse func(string) (T, error), format func(T) string) Value {
	v := scalar(text, want, func(s string) (bool, error) {
		parsed, err := parse(s)
		if err == nil {
			*to = parsed
		}
		return err == nil, err
	}, func() string { return format(*to) })
	get := v.get
	v.get = func() []string {
		if texts := get(); texts[0] != "" {
			return texts
		}
		return nil
	}
	return v
}

// Integer is the type of a whole number.
type Integer interface{ ~int | ~int64 | ~uint64 }

// Number is a whole number in a range.
func Number[T Integer](to *T, least, most T) Value {
	return scalar(number, fmt.Sprintf("a whole number from %d to %d", least, most), func(s string) (bool, error) {
		n, ok := parseInteger[T](s)
		if !ok || n < least || n > most {
			return false, nil
		}
		*to = n
		return true, nil
	}, func() string { return fmt.Sprint(*to) })
}

// Scaled is a whole number of units, for which ok reports true.
func Scaled(to *int64, unit int64, want string, ok func(n int64) bool) Value {
	return scalar(number, want, func(s string) (bool, error) {
		n, isNumber := parseInteger[int64](s)
		if !isNumber || !ok(n) {
			return false, nil
		}
		*to = n * unit
		return true, nil
	}, func() string { return fmt.Sprint(*to / unit) })
}

// Optional is a whole number that need not be set, which is when *to is nil.
func Optional[T Integer](to **T, least, most T) Value {
	var n T
	v := Number(&n, least, most)
	set, get := v.set, v.get
	v.set = func(texts []string) error {
		err := set(texts)
		if err == nil {
			*to = &n
		}
		return err
	}
	v.get = func() []string {
		if *to == nil {
			return nil
		}
		return get()
	}
	return v
}

// parseInteger reports false for what is not a number of the type.
func parseInteger[T Integer](s string) (T, bool) {
	if u, err := strconv.ParseUint(s, 10, 64); err == nil {
		n := T(u)
		return n, n >= 0 && uint64(n) == u
	}
	i, err := strconv.ParseInt(s, 10, 64)
	n := T(i)
	return n, err == nil && n < 0 && int64(n) == i
}

// Float is a number in a range. A range that begins or ends at zero does not have zero itself.
func Float(to *float64, least, most float64) Value {
	return scalar(number, floatRange(least, most), func(s string) (bool, error) {
		n, err := strconv.ParseFloat(s, 64)
		if err != nil || !(n >= least && n <= most) || n == 0 && (least == 0 || most == 0) {
			return false, nil
		}
		*to = n
		return true, nil
	}, func() string { return formatFloat(*to) })
}

func floatRange(least, most float64) string {
	from, to := formatFloat(least), formatFloat(most)
	switch {
	case least == 0:
		return "a number over 0, up to " + to
	case most == 0:
		return "a number from " + from + " to below 0"
	}
	return "a number from " + from + " to " + to
}

func formatFloat(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// Switch is true or false.
func Switch(to *bool) Value {
	return scalar(boolean, "true or false", func(s string) (bool, error) {
		on, err := strconv.ParseBool(s)
		if err == nil {
			*to = on
		}
		return err == nil, nil
	}, func() string { return strconv.FormatBool(*to) })
}

// Forever is the most of a Duration that has no upper bound.
const Forever = time.Duration(math.MaxInt64)

// Duration is a time in a range.
func Duration(to *time.Duration, least, most time.Duration) Value {
	want := fmt.Sprintf("a time from %s to %s, like 30m", short(least), short(most))
	if most == Forever {
		want = fmt.Sprintf("a time of at least %s, like 30m", short(least))
	}
	return scalar(text, want, func(s string) (bool, error) {
		d, err := time.ParseDuration(s)
		if err != nil || d < least || d > most {
			return false, nil
		}
		*to = d
		return true, nil
	}, func() string { return short(*to) })
}

// short is a duration without units that are zero: 1h for 1h0m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// List is a list of texts. The error of check, if that is not nil, names the element and what is allowed.
func List(to *[]string, check func(string) error) Value {
	same := func(s string) string { return s }
	return ListOf(to, func(s string) (string, error) {
		if check == nil {
			return s, nil
		}
		return s, check(s)
	}, same)
}

// ListOf is a list of what parse makes of each text. The error of parse names the text and what is allowed.
func ListOf[T any](to *[]T, parse func(string) (T, error), format func(T) string) Value {
	get := func() (texts []string) {
		for _, v := range *to {
			texts = append(texts, format(v))
		}
		return texts
	}
	return ParsedList("", get, func(texts []string) error {
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

// Numbers is a list of whole numbers.
func Numbers(to *[]uint64) Value {
	return ListOf(to, func(s string) (uint64, error) {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%q: want a whole number from 0 to %d", s, uint64(math.MaxUint64))
		}
		return n, nil
	}, func(n uint64) string { return strconv.FormatUint(n, 10) })
}

// ParsedList is a list of texts that get returns. The error of set names the element and what is allowed.
func ParsedList(want string, get func() []string, set func(texts []string) error) Value {
	return Value{list: true, want: want, get: get, set: func(given []string) error {
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

// NotZero returns the value for a variable whose zero stands for its default. It refuses a zero: a user who writes it
// means it.
func (v Value) NotZero() Value {
	return v.Checked(func() error {
		if v.get()[0] == "0" {
			return errors.New("0 is not allowed, leave it out for the default")
		}
		return nil
	})
}

// Gone is a value that can no longer be set. The error says what to write in its place.
func Gone(instead string) Value {
	return Value{kind: gone, set: func([]string) error { return errors.New(instead) }, get: func() []string { return nil }}
}
