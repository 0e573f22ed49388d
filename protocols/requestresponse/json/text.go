package json

import (
	"bytes"
	"errors"
	"strconv"
	"unicode/utf8"
)

// maxDepth is how deep arrays and objects may be nested in each other, as in
// serde_json.
const maxDepth = 127

var (
	errNotUTF8   = errors.New("text is not UTF-8")
	errSurrogate = errors.New("escape of half a surrogate pair")
	errTooDeep   = errors.New("nested more than " + strconv.Itoa(maxDepth) + " deep")
)

// check refuses what encoding/json takes and serde_json does not: text that is
// not UTF-8 and halves of surrogate pairs, both of which encoding/json replaces, and
// nesting without end. It does not tell whether text is JSON at all.
func check(text []byte) error {
	if !utf8.Valid(text) {
		return errNotUTF8
	}
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '[', '{':
			if depth++; depth > maxDepth {
				return errTooDeep
			}
		case ']', '}':
			depth--
		case '"':
			n, err := checkString(text[i+1:])
			if err != nil {
				return err
			}
			i += n
		}
	}
	return nil
}

// checkString checks the string that text begins with, whose opening quote is already
// read, and returns its length with the closing quote.
func checkString(text []byte) (int, error) {
	for i := 0; ; {
		n := bytes.IndexAny(text[i:], `"\`)
		if n < 0 {
			return len(text), nil
		}
		i += n
		if text[i] == '"' {
			return i + 1, nil
		}
		n, err := checkEscape(text[i:])
		if err != nil {
			return 0, err
		}
		i += n
	}
}

// checkEscape checks the escape that text begins with, and returns its length.
func checkEscape(text []byte) (int, error) {
	const short, long = len(`\n`), len(`\u0000`)
	r, ok := unicodeEscape(text)
	switch {
	case !ok:
		return min(short, len(text)), nil
	case !isSurrogate(r):
		return long, nil
	}
	second, ok := unicodeEscape(text[long:])
	if r >= lowSurrogates || !ok || second < lowSurrogates || !isSurrogate(second) {
		return 0, errSurrogate
	}
	return 2 * long, nil
}

// Surrogates are the UTF-16 code units, 0xd800 to 0xdfff, that stand for one
// character in pairs of a high and a low one.
const lowSurrogates = 0xdc00

func isSurrogate(r uint64) bool { return r >= 0xd800 && r <= 0xdfff }

// unicodeEscape returns the code unit that text begins with the escape of.
func unicodeEscape(text []byte) (uint64, bool) {
	if len(text) < len(`\u0000`) || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	r, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	return r, err == nil
}

// What encoding/json escapes and serde_json does not, and the escape that it puts in
// place of what is not UTF-8.
var (
	lineSeparator      = []byte(`\u2028`)
	paragraphSeparator = []byte(`\u2029`)
	replaced           = []byte(`\ufffd`)
)

// unescape undoes, in place, what encoding/json escapes and serde_json does not. It
// refuses a text of which something was replaced.
func unescape(text []byte) ([]byte, error) {
	if !bytes.Contains(text, lineSeparator) && !bytes.Contains(text, paragraphSeparator) &&
		!bytes.Contains(text, replaced) {
		return text, nil
	}
	out := text[:0]
	for len(text) > 0 {
		n := 1
		switch {
		case text[0] != '\\':
			out = append(out, text[0])
		case bytes.HasPrefix(text, lineSeparator):
			n, out = len(lineSeparator), append(out, "\u2028"...)
		case bytes.HasPrefix(text, paragraphSeparator):
			n, out = len(paragraphSeparator), append(out, "\u2029"...)
		case bytes.HasPrefix(text, replaced):
			return nil, errNotUTF8
		default:
			n, out = 2, append(out, text[:2]...)
		}
		text = text[n:]
	}
	return out, nil
}
