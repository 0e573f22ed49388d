package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// A table is printed in columns, as wide as they have to be.
type table struct {
	w *tabwriter.Writer
}

func newTable(w io.Writer, columns ...any) *table {
	t := &table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	if len(columns) > 0 {
		t.row(columns...)
	}
	return t
}

// row adds a line. Durations are rounded; what is empty or nil is a dash.
func (t *table) row(cells ...any) {
	texts := make([]string, len(cells))
	for i, cell := range cells {
		texts[i] = cellText(cell)
	}
	_, _ = fmt.Fprintln(t.w, strings.Join(texts, "\t"))
}

func cellText(cell any) string {
	switch cell := cell.(type) {
	case time.Duration:
		return round(cell).String()
	case *float64:
		if cell == nil {
			return "-"
		}
		return fmt.Sprintf("%.1f", *cell)
	case string:
		if cell == "" {
			return "-"
		}
	}
	return printable(fmt.Sprint(cell))
}

// printable keeps what peers say of themselves from speaking to the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// round drops the digits of a duration that do not matter.
func round(d time.Duration) time.Duration {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second)
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(100 * time.Microsecond)
}

func (t *table) flush() error { return t.w.Flush() }

// fromSeconds is a time of the RPC API's.
func fromSeconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
