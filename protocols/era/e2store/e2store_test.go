package e2store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/era/e2store"
)

// golden is the example of the specification, behind a Version record.
var golden = []byte{
	0x65, 0x32, 0, 0, 0, 0, 0, 0,
	0x22, 0x32, 4, 0, 0, 0, 0, 0, 1, 2, 3, 4,
}

// A source is one in memory that counts its reads and has a size that it may not hold.
type source struct {
	data  []byte
	size  int64
	reads int
	bytes int64
}

func of(data []byte) *source { return &source{data: data, size: int64(len(data))} }

func (s *source) Size() int64 { return s.size }

func (s *source) ReadAt(_ context.Context, p []byte, off int64) (int, error) {
	n, err := bytes.NewReader(s.data).ReadAt(p, off)
	s.reads++
	s.bytes += int64(n)
	return n, err
}

func TestGoldenRecords(t *testing.T) {
	var file bytes.Buffer
	w := e2store.NewWriter(&file, 0)
	for _, test := range []struct {
		typ  e2store.Type
		data []byte
		want e2store.Record
	}{
		{e2store.Version, nil, e2store.Record{Header: e2store.Header{Type: 0x6532}}},
		{0x2232, []byte{1, 2, 3, 4}, e2store.Record{Header: e2store.Header{Type: 0x2232, Length: 4}, Offset: 8}},
	} {
		got, err := w.Write(test.typ, test.data)
		if err != nil || got != test.want {
			t.Errorf("Write(%v) = %+v, %v: want %+v", test.typ, got, err, test.want)
		}
	}
	if !bytes.Equal(file.Bytes(), golden) || w.Offset() != int64(len(golden)) {
		t.Errorf("file is %x, its end at %d: want %x", file.Bytes(), w.Offset(), golden)
	}
	b := e2store.AppendRecord(nil, 0x6532, nil)
	if b = e2store.AppendRecord(b, 0x2232, []byte{1, 2, 3, 4}); !bytes.Equal(b, golden) {
		t.Errorf("AppendRecord makes %x", b)
	}
}

func TestReaderReadsRecords(t *testing.T) {
	r := e2store.NewReader(of(golden), 0, 1<<40)
	var types []e2store.Type
	for {
		record, err := r.Next(t.Context())
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := r.Data(t.Context(), 4)
		if err != nil || !bytes.Equal(data, golden[record.DataOffset():record.End()]) {
			t.Errorf("data of %v is %x, %v", record.Type, data, err)
		}
		types = append(types, record.Type)
	}
	if want := []e2store.Type{e2store.Version, 0x2232}; !slices.Equal(types, want) {
		t.Errorf("types %v: want %v", types, want)
	}
}

func TestTypesPrintTheirNames(t *testing.T) {
	for typ, want := range map[e2store.Type]string{
		e2store.Empty: "Empty", e2store.Version: "Version", e2store.SlotIndex: "SlotIndex",
		e2store.CompressedSignedBeaconBlock: "CompressedSignedBeaconBlock",
		e2store.CompressedBeaconState:       "CompressedBeaconState",
		0x8001:                              "0x8001",
	} {
		if got := typ.String(); got != want {
			t.Errorf("%#04x is %q: want %q", uint16(typ), got, want)
		}
	}
}

func TestDamagedRecords(t *testing.T) {
	claim := func(b ...byte) []byte { return slices.Concat(golden[:8], []byte{1, 0}, b) }
	for _, test := range []struct {
		name string
		file []byte
		want error
		at   int64
	}{
		{"half a header", golden[:12], e2store.ErrTruncated, 8},
		{"no data", golden[:16], e2store.ErrTruncated, 8},
		{"half the data", golden[:18], e2store.ErrTruncated, 8},
		{"reserved bytes", claim(0, 0, 0, 0, 1, 0), e2store.ErrReserved, 8},
		{"other reserved byte", claim(0, 0, 0, 0, 0, 0x80), e2store.ErrReserved, 8},
		{"claim of 4 GiB", claim(0xff, 0xff, 0xff, 0xff, 0, 0), e2store.ErrTruncated, 8},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := e2store.NewReader(of(test.file), 0, int64(len(test.file)))
			if _, err := r.Next(t.Context()); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				_, err := r.Next(t.Context())
				e, ok := errors.AsType[*e2store.Error](err)
				if !ok || !errors.Is(err, test.want) || e.Offset != test.at {
					t.Errorf("error of Next is %v: want %v at %d", err, test.want, test.at)
				}
			}
			_, err := e2store.ReadRecord(t.Context(), of(test.file), test.at, int64(len(test.file)))
			if e, ok := errors.AsType[*e2store.Error](err); !ok || !errors.Is(err, test.want) || e.Offset != test.at {
				t.Errorf("error of ReadRecord is %v: want %v at %d", err, test.want, test.at)
			}
		})
	}
	if !errors.Is(e2store.ErrTruncated, io.ErrUnexpectedEOF) {
		t.Error("ErrTruncated is not io.ErrUnexpectedEOF")
	}
}

func TestRecordsEndWhereTheyHaveTo(t *testing.T) {
	for _, off := range []int64{-1, -1 << 63, 21, 1<<63 - 1} {
		if _, err := e2store.ReadRecord(t.Context(), of(golden), off, int64(len(golden))); err == nil {
			t.Errorf("record at %d", off)
		}
	}
	if _, err := e2store.ReadRecord(t.Context(), of(golden), 8, 19); !errors.Is(err, e2store.ErrTruncated) {
		t.Errorf("error of a record that goes beyond its end is %v", err)
	}
	record, err := e2store.ReadRecord(t.Context(), of(golden), 8, 20)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e2store.AppendData(t.Context(), of(golden), nil, record, 3); !errors.Is(err, e2store.ErrTooLarge) {
		t.Errorf("error of data over the limit is %v", err)
	}
	got, err := e2store.AppendData(t.Context(), of(golden), []byte{0}, record, 4)
	if err != nil || !bytes.Equal(got, []byte{0, 1, 2, 3, 4}) {
		t.Errorf("data is %x, %v", got, err)
	}
	got, err = io.ReadAll(e2store.NewDataReader(t.Context(), of(golden), record))
	if err != nil || !bytes.Equal(got, []byte{1, 2, 3, 4}) {
		t.Errorf("data by NewDataReader is %x, %v", got, err)
	}
}

// A source may claim any size, and a record in it any length: memory is taken for what arrives.
func TestClaimsAllocateNothing(t *testing.T) {
	src := of(e2store.Header{Type: 1, Length: 1<<32 - 1}.Append(nil))
	src.size = 1 << 40
	record, err := e2store.ReadRecord(t.Context(), src, 0, src.size)
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = e2store.AppendData(t.Context(), src, nil, record, e2store.MaxLength)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, e2store.ErrTruncated) {
		t.Error(err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
		t.Errorf("%d bytes are allocated for data that is not there", n)
	}
}

// file returns a file of records of given sizes.
func file(sizes ...int) (b []byte) {
	for i, n := range sizes {
		b = e2store.AppendRecord(b, e2store.Type(i), bytes.Repeat([]byte{byte(i)}, n))
	}
	return b
}

func TestReaderReadsAhead(t *testing.T) {
	const mib = 1 << 20
	for _, test := range []struct {
		sizes []int
		reads int
	}{
		{[]int{}, 0},
		{[]int{0}, 1},
		{slices.Repeat([]int{100}, 5000), 1},
		{slices.Repeat([]int{300_000}, 7), 3}, // 2.1 MB, of which nothing is read twice
		{[]int{3 * mib, 10}, 4},
	} {
		t.Run(fmt.Sprint(len(test.sizes), " records"), func(t *testing.T) {
			src := of(file(test.sizes...))
			r := e2store.NewReader(src, 0, src.Size())
			for i, n := range test.sizes {
				record, err := r.Next(t.Context())
				if err != nil || record.Type != e2store.Type(i) {
					t.Fatalf("record %d is %+v, %v", i, record, err)
				}
				data, err := r.Data(t.Context(), int64(n))
				if err != nil || !bytes.Equal(data, bytes.Repeat([]byte{byte(i)}, n)) {
					t.Fatalf("data of record %d: %v", i, err)
				}
			}
			if src.reads > test.reads || src.bytes > src.size {
				t.Errorf("%d reads of %d bytes: want %d of %d", src.reads, src.bytes, test.reads, src.size)
			}
		})
	}
}

func TestReaderSkips(t *testing.T) {
	src := of(file(10, 2<<20, 30))
	r := e2store.NewReader(src, 0, src.Size())
	for _, off := range []int64{10 + 8 + 2<<20 + 8, 0, 18, 0} {
		r.SkipTo(off)
		record, err := r.Next(t.Context())
		if err != nil || record.Offset != off {
			t.Fatalf("record at %d is %+v, %v", off, record, err)
		}
		want := bytes.Repeat([]byte{byte(record.Type)}, int(record.Length))
		if data, err := r.Data(t.Context(), 3<<20); err != nil || !bytes.Equal(data, want) {
			t.Errorf("data of the record at %d: %v", off, err)
		}
	}
}

func TestReaderGoesOnAfterAnErrorOfItsSource(t *testing.T) {
	src := of(golden)
	src.data = nil
	r := e2store.NewReader(src, 0, src.Size())
	if _, err := r.Next(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, e2store.ErrTruncated) {
		t.Errorf("error is %v", err)
	}
	src.data = golden
	if record, err := r.Next(t.Context()); err != nil || record.Type != e2store.Version {
		t.Errorf("record is %+v, %v", record, err)
	}
}

// A brokenFile takes some bytes, and then no more.
type brokenFile struct{ room int }

var errFull = errors.New("full")

func (f *brokenFile) Write(p []byte) (int, error) {
	if n := min(f.room, len(p)); n < len(p) {
		f.room = 0
		return n, errFull
	}
	f.room -= len(p)
	return len(p), nil
}

func TestWriterStopsAtAnError(t *testing.T) {
	f := &brokenFile{room: 20}
	w := e2store.NewWriter(f, 100)
	if r, err := w.Write(1, []byte{1, 2}); err != nil || r.Offset != 100 {
		t.Fatalf("record is %+v, %v", r, err)
	}
	for range 2 {
		if _, err := w.Write(1, []byte{1, 2, 3}); !errors.Is(err, errFull) {
			t.Errorf("error is %v", err)
		}
		f.room = 100
	}
	if f.room != 100 || w.Offset() != 120 {
		t.Errorf("the writer went on, to %d", w.Offset())
	}
}

func TestSourceEndsWithItsContextAndCloses(t *testing.T) {
	c := &closer{Reader: bytes.NewReader(golden)}
	src := e2store.NewSource(c, int64(len(golden)))
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	if _, err := src.ReadAt(ctx, make([]byte, 8), 0); !errors.Is(err, gone) {
		t.Errorf("error is %v", err)
	}
	if err := src.(io.Closer).Close(); err != nil || !c.closed {
		t.Errorf("closed: %v, %v", c.closed, err)
	}
	if err := e2store.NewSource(bytes.NewReader(nil), 0).(io.Closer).Close(); err != nil {
		t.Errorf("what cannot be closed: %v", err)
	}
}

type closer struct {
	*bytes.Reader

	closed bool
}

func (c *closer) Close() error {
	c.closed = true
	return nil
}

func FuzzReader(f *testing.F) {
	f.Add(golden)
	f.Add(file(3, 0, 200))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := e2store.NewReader(of(b), 0, int64(len(b)))
		end := int64(0)
		for {
			record, err := r.Next(context.Background())
			if err == io.EOF {
				break
			}
			if err != nil {
				if e, ok := errors.AsType[*e2store.Error](err); !ok || e.Offset != end {
					t.Fatalf("error is %v, the last record ends at %d", err, end)
				}
				return
			}
			data, err := r.Data(context.Background(), e2store.MaxLength)
			again := e2store.AppendRecord(nil, record.Type, data)
			if err != nil || record.Offset != end || !bytes.Equal(again, b[end:record.End()]) {
				t.Fatalf("record is %+v, data %x, error %v", record, data, err)
			}
			end = record.End()
		}
		if end != int64(len(b)) {
			t.Fatalf("the records end at %d of %d", end, len(b))
		}
	})
}

func FuzzParseHeader(f *testing.F) {
	f.Add(golden)
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := e2store.ParseHeader(b); err == nil && !bytes.Equal(h.Append(nil), b[:e2store.HeaderSize]) {
			t.Fatalf("%x is read as %+v", b, h)
		}
	})
}
