package reqresp_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// countingReader counts the bytes that were read.
type countingReader struct {
	r io.Reader
	n int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

func TestReadWhole(t *testing.T) {
	broken := errors.New("broken")
	whole := strings.Repeat("x", 5000)
	for name, c := range map[string]struct {
		r     io.Reader
		limit int
		want  string
		err   error
	}{
		"empty":           {strings.NewReader(""), 10, "", io.EOF},
		"below the limit": {strings.NewReader("abc"), 10, "abc", nil},
		"at the limit":    {strings.NewReader(whole), len(whole), whole, nil},
		"over the limit":  {strings.NewReader(whole), len(whole) - 1, "", reqresp.ErrTooLarge},
		"far over it":     {io.MultiReader(strings.NewReader(whole), neverRead{t}), 10, "", reqresp.ErrTooLarge},
		"limit of zero":   {strings.NewReader("x"), 0, "", reqresp.ErrTooLarge},
		"byte by byte":    {iotest.OneByteReader(strings.NewReader(whole)), len(whole), whole, nil},
		"end with data":   {iotest.DataErrReader(strings.NewReader("abc")), 3, "abc", nil},
		"broken":          {io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)), 10, "", broken},
		"broken at once":  {iotest.ErrReader(broken), 10, "", broken},
	} {
		t.Run(name, func(t *testing.T) {
			r := &countingReader{r: c.r}
			var got string
			err := reqresp.ReadWhole(r, c.limit, func(data []byte) error {
				got = string(data)
				return nil
			})
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("got %d bytes, %v, want %d, %v", len(got), err, len(c.want), c.err)
			}
			if r.n > c.limit+1 {
				t.Errorf("%d bytes were read, the limit is %d", r.n, c.limit)
			}
		})
	}
}

// neverRead fails the test if it is read.
type neverRead struct{ t *testing.T }

func (n neverRead) Read([]byte) (int, error) {
	n.t.Error("read on after the limit")
	return 0, io.EOF
}

func TestReadWholeReturnsTheDecodersError(t *testing.T) {
	want := errors.New("no")
	if err := reqresp.ReadWhole(bytes.NewReader([]byte{1}), 1, func([]byte) error { return want }); err != want {
		t.Errorf("got %v, want %v", err, want)
	}
}

// wholeCodec is a codec that ends messages with their stream.
type wholeCodec struct{ plainCodec }

func (wholeCodec) WholeStream() {}

func TestWholeStreamCodecsCarryNoChunks(t *testing.T) {
	f := reqresp.Family{Prefix: "/example", Codec: wholeCodec{}}
	reqresp.NewUnary[Text, Text](f, "one", 1)
	wantPanic(t, "stream", func() { reqresp.NewStream[Text, Text](f, "many", 1) })
}
