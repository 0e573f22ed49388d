package era

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/seed-2dd5877b/reqresp/protocols/era/e2store"
)

// ErrNoRanges is returned when a web server does not answer requests for a part of a file, or not with that part.
var ErrNoRanges = errors.New("era: server does not serve ranges")

// A StatusError is returned when a web server answers with another status than it should.
type StatusError struct {
	Code   int    // Code is the status, such as 404.
	Status string // Status is the text with it.
}

// Error returns the status.
func (e *StatusError) Error() string { return "era: server answers " + e.Status }

// OpenURL opens a file on a web server, which has to support range requests. It reads the slot indices; every later
// read is a request for the bytes that it needs. The client may be nil, which means [http.DefaultClient].
//
// Requests end with the context of the call that makes them, and are not repeated. A file that changes on the server
// fails to be read, if the server sends ETags that tell. The error wraps [ErrNoRanges] if the server does not answer
// with ranges, and is a [*StatusError] if it answers with an error; else it is that of [NewFile] or of the client.
func OpenURL(ctx context.Context, url string, client *http.Client) (*File, error) {
	if client == nil {
		client = http.DefaultClient
	}
	src := &urlSource{client: client, url: url}
	if err := src.begin(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	where, _, _ := strings.Cut(url, "?")
	f, err := NewFile(ctx, src, path.Base(where))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	return f, nil
}

// A urlSource reads a file on a web server.
type urlSource struct {
	client *http.Client
	url    string
	size   int64
	etag   string // empty if the server sends none that is strong
}

// begin finds out the size of the file from the answer to a request for its first bytes.
func (s *urlSource) begin(ctx context.Context) error {
	res, err := s.request(ctx, 0, e2store.HeaderSize)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if s.size, err = sizeOf(res, 0, e2store.HeaderSize); err != nil {
		return err
	}
	if etag := res.Header.Get("ETag"); strings.HasPrefix(etag, `"`) {
		s.etag = etag
	}
	return nil
}

func (s *urlSource) Size() int64 { return s.size }

func (s *urlSource) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if off < 0 || off >= s.size {
		return 0, io.EOF
	}
	want := min(int64(len(p)), s.size-off)
	if want == 0 {
		return 0, nil
	}
	res, err := s.request(ctx, off, want)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if size, err := sizeOf(res, off, want); err != nil {
		return 0, err
	} else if size != s.size {
		return 0, fmt.Errorf("%w: the file has %d bytes, it had %d", ErrNoRanges, size, s.size)
	}
	n, err := io.ReadFull(res.Body, p[:want])
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// request asks for n bytes at an offset, of the file as it was when it was opened.
func (s *urlSource) request(ctx context.Context, off, n int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+n-1))
	req.Header.Set("Accept-Encoding", "identity") // ranges of the file, and not of what it is compressed to
	if s.etag != "" {
		req.Header.Set("If-Match", s.etag)
	}
	return s.client.Do(req)
}

// sizeOf returns the size of the file of which res is n bytes at an offset, or all bytes behind it.
func sizeOf(res *http.Response, off, n int64) (int64, error) {
	switch res.StatusCode {
	case http.StatusPartialContent:
	case http.StatusOK:
		return 0, fmt.Errorf("%w: it sends the whole file", ErrNoRanges)
	case http.StatusRequestedRangeNotSatisfiable:
		return 0, fmt.Errorf("%w: the file has not %d bytes at %d", ErrNoRanges, n, off)
	default:
		return 0, &StatusError{res.StatusCode, res.Status}
	}
	got := res.Header.Get("Content-Range")
	span, total, ok := strings.Cut(strings.TrimPrefix(got, "bytes "), "/")
	size, err := strconv.ParseInt(total, 10, 64)
	if !ok || err != nil || span != fmt.Sprintf("%d-%d", off, min(off+n, size)-1) {
		return 0, fmt.Errorf("%w: it answers with the range %q", ErrNoRanges, got)
	}
	return size, nil
}
