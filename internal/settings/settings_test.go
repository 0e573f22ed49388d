package settings_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/internal/settings"
)

// all has one variable of each type.
type all struct {
	text   string
	choice string
	count  int
	large  uint64
	maybe  *uint64
	ratio  float64
	on     bool
	every  time.Duration
	words  []string
	nums   []uint64
	upper  string
}

func table(a *all) settings.Table {
	return settings.Table{
		{Key: "text", Flag: "text", Usage: "a `WORD` to say", Value: settings.Text(&a.text, nil)},
		{Key: "in.choice", Flag: "choice", Usage: "`ONE` of two", Value: settings.OneOf(&a.choice, "a", "b")},
		{Key: "in.max_count", Flag: "count.max", Usage: "`N` things", Value: settings.Number(&a.count, -1, 10)},
		{Key: "in.large", Value: settings.Uint(&a.large, 1)},
		{Key: "in.maybe", Usage: "perhaps", Value: settings.Optional(&a.maybe)},
		{Key: "in.ratio", Value: settings.Float(&a.ratio, 0, 1)},
		{Key: "in.on", Usage: "whether", Value: settings.Switch(&a.on)},
		{Key: "in.every", Value: settings.Duration(&a.every, time.Second, time.Hour)},
		{Key: "words", Value: settings.List(&a.words, nil)},
		{Flag: "nums", Value: settings.Numbers(&a.nums)},
		{Key: `in."a.b".upper`, Value: settings.Parsed(&a.upper,
			func(s string) (string, error) { return strings.ToUpper(s), nil }, strings.ToLower)},
		{Key: "in.old", Value: settings.Gone("want in.maybe in its place")},
	}
}

func apply(t settings.Table, text string) error {
	f, err := settings.Decode([]byte(text))
	if err != nil {
		return err
	}
	return t.Apply(f)
}

func newTable() (*all, settings.Table) {
	a := &all{choice: "a", count: 3, large: 1, ratio: 0.5, every: time.Minute, words: []string{"x"}}
	return a, table(a)
}

const full = `
text = "a \"b\" 'c'"
words = ["p", "q"]
[in]
choice = "b"
max_count = -1
large = 9_223_372_036_854_775_807
maybe = 0
ratio = 1
on = true
every = "1h"
"a.b".upper = "up"
`

func TestFilesSetAndAreWritten(t *testing.T) {
	a, rows := newTable()
	if err := apply(rows, full); err != nil {
		t.Fatal(err)
	}
	if a.text != `a "b" 'c'` || a.choice != "b" || a.count != -1 || a.large != math.MaxInt64 || *a.maybe != 0 ||
		a.ratio != 1 || !a.on || a.every != time.Hour || !slices.Equal(a.words, []string{"p", "q"}) || a.upper != "UP" {
		t.Errorf("set is %+v", a)
	}
	var first, second strings.Builder
	if err := rows.Write(&first); err != nil {
		t.Fatal(err)
	}
	_, again := newTable()
	if err := apply(again, first.String()); err != nil {
		t.Fatalf("%v\n%s", err, first.String())
	}
	if err := again.Write(&second); err != nil || first.String() != second.String() {
		t.Errorf("written as\n%s\nand read, as\n%s\nerror %v", first.String(), second.String(), err)
	}
}

func TestWhatIsNotSetIsInComments(t *testing.T) {
	_, rows := newTable()
	if err := apply(rows, "[in]\nmax_count = 3\nratio = 0.25"); err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	if err := rows.Write(&got); err != nil {
		t.Fatal(err)
	}
	const want = `# a word to say
# text = ''
# words = ['x']

[in]
# ONE of two: a or b
# choice = 'a'
# N things: a whole number from -1 to 10
# max_count = 3
# large = 1
# perhaps: a whole number from 0 to 18446744073709551615
# maybe =
ratio = 0.25
# whether
# on = false
# every = '1m'
`
	if got.String() != want {
		t.Errorf("written is\n%s\nwant\n%s", got.String(), want)
	}
}

func TestErrorsOfFiles(t *testing.T) {
	for text, want := range map[string]string{
		"other = 1":                     "1: unknown key other: the top level has in, text, words",
		"[in.other]":                    "1: unknown key in.other: [in] has a.b, choice, every, large, max_count, maybe, old, on, ratio",
		"\n[in]\n\nmax_count = 11":      `4: in.max_count: "11": want a whole number from -1 to 10`,
		"in = { MaxCount = -2 }":        `1: in.max_count: "-2": want a whole number from -1 to 10`,
		"in.large = 0":                  `1: in.large: "0": want a whole number from 1 to 18446744073709551615`,
		"in.large = -1":                 `1: in.large: "-1": want`,
		"in.large = 1.5":                `1: in.large: "1.5": want`,
		"in.ratio = 0.0":                `1: in.ratio: "0": want a number from 0 to 1, but not 0`,
		"in.ratio = nan":                `1: in.ratio: "NaN": want`,
		"in.on = 'x'":                   "1: in.on: x: want true or false",
		"in.every = '2h'":               `1: in.every: "2h": want a time from 1s to 1h, like 30m`,
		"in.every = 5":                  "1: in.every: 5: want a text in quotes",
		"in.choice = 'c'":               `1: in.choice: "c": want a or b`,
		"words = 'x'":                   "1: words: x: want a list of texts, each in quotes",
		"words = [['x']]":               "1: words: [[x]]: want a list of texts, each in quotes",
		"text = 1979-05-27":             "1: text: 1979-05-27: want a text in quotes",
		"text = ['x']":                  "1: text: [x]: want a text in quotes",
		"in = 1":                        "1: in: want a table with a.b, choice, every",
		"[[in]]":                        "1: in: want a table with a.b, choice, every",
		"[text]":                        "1: text is a table: want a text in quotes",
		"text.x = 1":                    "1: unknown key text.x: [text] has ",
		"text = 'x'\nText = 'y'":        "2: text is set twice",
		"text = 'x'\ntext = 'y'":        "2: ",
		"in.old = [1]":                  "1: in.old: want in.maybe in its place",
		"in.'a.b'.upper = 1":            `1: in."a.b".upper: 1: want a text in quotes`,
		"text = ":                       "1: ",
		"[in]\nnone.\"of this\".is = 1": `2: unknown key in.none."of this".is: [in] has`,
	} {
		_, rows := newTable()
		if err := apply(rows, text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: error %v, want %s", text, err, want)
		}
	}
}

func TestFlags(t *testing.T) {
	a, rows := newTable()
	for flag, texts := range map[string][]string{"text": {"x", "a,b"}, "count.max": {"7"}, "nums": {"1", "2,3"}} {
		if err := rows.Flag(flag).Set("--"+flag, texts...); err != nil || !rows.Given(flag) {
			t.Errorf("%s: %v", flag, err)
		}
	}
	if a.text != "a,b" || a.count != 7 || !slices.Equal(a.nums, []uint64{1, 2, 3}) {
		t.Errorf("set is %+v", a)
	}
	if got := rows.Flag("count.max"); got.Variable() != "REQRESP_COUNT_MAX" ||
		!slices.Equal(got.Default(), []string{"3"}) {
		t.Errorf("variable %s, default %q", got.Variable(), got.Default())
	}
	if got := rows.Flag("nums").Variable(); got != "" {
		t.Errorf("a flag that no file has is read from %s", got)
	}
	if rows.Given("choice") || rows.Given("what") {
		t.Error("what was not given counts as given")
	}
	err := rows.Flag("nums").Set("--nums", "1,-1")
	if want := `--nums: "-1": want a whole number from 0 to 18446744073709551615`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if word, usage := rows.Flag("text").Placeholder(); word != "WORD" || usage != "a WORD to say" {
		t.Errorf("%q in %q", word, usage)
	}
	if got := rows.In("in.on", "text"); len(got) != 2 || got[0].Key != "text" {
		t.Errorf("%d settings", len(got))
	}
}

func TestMoreChecks(t *testing.T) {
	n := 5
	rows := settings.Table{{Key: "n", Value: settings.Number(&n, -1, 9).Checked(func() error {
		if n == 0 {
			return errors.New("want more")
		}
		return nil
	})}}
	if err := apply(rows, "n = 0"); err == nil || err.Error() != "1: n: want more" {
		t.Errorf("error %v", err)
	}
	if err := apply(rows, "n = -1"); err != nil || n != -1 {
		t.Errorf("%d, error %v", n, err)
	}
}
