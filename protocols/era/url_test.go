package era_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// serve serves by a handler until the end of the test.
func serve(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestFilesOfAWebServer(t *testing.T) {
	var requests atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		http.FileServer(http.Dir("testdata/era")).ServeHTTP(w, r)
	})
	for _, client := range []*http.Client{nil, http.DefaultClient} {
		requests.Store(0)
		f, err := era.OpenURL(t.Context(), url+"/"+firstName+"?mirror=a/b", client)
		if err != nil {
			t.Fatal(err)
		}
		checkFrames(t, 30, must(f.AppendFrames(t.Context(), 30, nil)))
		if n := requests.Load(); n != 3 {
			t.Errorf("%d requests to open a file and read a block: want 3", n)
		}
		var slots []ssz.Slot
		for b, err := range f.Blocks(t.Context(), 0, 64) {
			if err != nil {
				t.Fatal(err)
			}
			checkFrames(t, b.Slot, b.Frames)
			slots = append(slots, b.Slot)
		}
		if n := requests.Load(); n != 4 || len(slots) != 62 {
			t.Errorf("%d blocks with the %dth request", len(slots), n)
		}
		if _, err := f.Check(t.Context(), network()); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenURLRefuses(t *testing.T) {
	first := join(firstFile)
	answer := func(status int, contentRange string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if contentRange != "" {
				w.Header().Set("Content-Range", contentRange)
			}
			w.WriteHeader(status)
			_, _ = w.Write(first[:8])
		}
	}
	for _, test := range []struct {
		name    string
		handler http.HandlerFunc
		want    error
	}{
		{"the whole file", answer(http.StatusOK, ""), era.ErrNoRanges},
		{"no range", answer(http.StatusPartialContent, ""), era.ErrNoRanges},
		{"no size", answer(http.StatusPartialContent, "bytes 0-7/*"), era.ErrNoRanges},
		{"a negative size", answer(http.StatusPartialContent, "bytes 0-7/-1"), era.ErrNoRanges},
		{"another range", answer(http.StatusPartialContent, "bytes 1-8/1000"), era.ErrNoRanges},
		{"another unit", answer(http.StatusPartialContent, "rows 0-7/1000"), era.ErrNoRanges},
		{"an empty file", answer(http.StatusRequestedRangeNotSatisfiable, "bytes */0"), era.ErrNoRanges},
		{"a huge size", answer(http.StatusPartialContent, "bytes 0-7/9223372036854775807"), era.ErrNoRanges},
		{"no era file", func(w http.ResponseWriter, r *http.Request) {
			http.ServeFile(w, r, "testdata/config.yaml")
		}, era.ErrIndex},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := era.OpenURL(t.Context(), serve(t, test.handler), nil); !errors.Is(err, test.want) {
				t.Errorf("error is %v: want %v", err, test.want)
			}
		})
	}
	_, err := era.OpenURL(t.Context(), serve(t, http.NotFound), nil)
	if e, ok := errors.AsType[*era.StatusError](err); !ok || e.Code != http.StatusNotFound {
		t.Errorf("error of a file that is not there is %v", err)
	}
}

// A file that is replaced by another is not read as a mixture of both.
func TestURLOfAFileThatChanges(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(h http.Header, b []byte) []byte
		want   func(err error) bool
	}{
		{"another ETag", func(h http.Header, b []byte) []byte {
			h.Set("ETag", `"2"`)
			return b
		}, func(err error) bool {
			e, ok := errors.AsType[*era.StatusError](err)
			return ok && e.Code == http.StatusPreconditionFailed
		}},
		{"another size", func(h http.Header, b []byte) []byte {
			h.Del("ETag")
			return append(b, 1)
		}, func(err error) bool { return errors.Is(err, era.ErrNoRanges) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			var changed atomic.Bool
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				b := join(firstFile)
				if test.name == "another ETag" {
					w.Header().Set("ETag", `"1"`)
				}
				if changed.Load() {
					b = test.change(w.Header(), b)
				}
				http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(b)))
			})
			f, err := era.OpenURL(t.Context(), url, nil)
			if err != nil {
				t.Fatal(err)
			}
			must(f.AppendFrames(t.Context(), 30, nil))
			changed.Store(true)
			if _, err := f.AppendFrames(t.Context(), 30, nil); !test.want(err) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

func TestURLsEndWithTheirContextAndConnections(t *testing.T) {
	var state atomic.Int32 // 0 serves, 1 cuts answers, 2 hangs
	hangs := make(chan struct{})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch state.Load() {
		case 1:
			w.Header().Set("Content-Range", strings.Replace(r.Header.Get("Range"), "=", " ", 1)+"/106068")
			w.Header().Set("Content-Length", "10000")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(make([]byte, 5))
		case 2:
			close(hangs)
			<-r.Context().Done()
		default:
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(join(firstFile))))
		}
	})
	f, err := era.OpenURL(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	state.Store(1)
	if _, err := f.AppendFrames(t.Context(), 30, nil); !errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, era.ErrRecord) {
		t.Errorf("error of an answer that is cut is %v", err)
	}
	state.Store(2)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-hangs
		cancel()
	}()
	if _, err := f.AppendFrames(ctx, 30, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error of a call that is cancelled is %v", err)
	}
}
