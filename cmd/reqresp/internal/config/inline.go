package config

import (
	"bytes"
	"slices"

	"github.com/pelletier/go-toml/v2/unstable"
)

// inlined adds to a key at a place in a text the inline tables that it is in, which the decoder leaves out.
func inlined(key []string, text []byte, line, column int) []string {
	at := column - 1
	for before := range bytes.Lines(text) {
		if line--; line == 0 {
			break
		}
		at += len(before)
	}
	var p unstable.Parser
	p.Reset(text)
	for p.NextExpression() {
		if e := p.Expression(); e.Kind == unstable.KeyValue {
			if tables, own := tablesAround(e, at); own > 0 {
				return slices.Insert(slices.Clone(key), len(key)-own, tables...)
			}
		}
	}
	return key
}

// tablesAround looks for the key that begins at a place, in a pair of a key and a value and in what is inline
// in that. It returns the inline tables around it and of how many parts it is, zero if it is not there.
func tablesAround(pair *unstable.Node, at int) (tables []string, own int) {
	var key []string
	begin := -1
	for parts := pair.Key(); parts.Next(); {
		if begin < 0 {
			begin = int(parts.Node().Raw.Offset)
		}
		key = append(key, string(parts.Node().Data))
	}
	if begin == at {
		return nil, len(key)
	}
	if pair.Value().Kind != unstable.InlineTable {
		return nil, 0
	}
	for inner := pair.Value().Children(); inner.Next(); {
		if tables, own := tablesAround(inner.Node(), at); own > 0 {
			return append(key, tables...), own
		}
	}
	return nil, 0
}
