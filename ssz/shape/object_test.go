package shape_test

import (
	"errors"
	"testing"

	"github.com/seed-2dd5877b/reqresp/ssz/shape"
)

// A number is an object that encodes what it is told to.
type number struct {
	encoding []byte
	err      error
}

func (number) Shape() *shape.Shape                       { return shape.Uint(2) }
func (n number) SizeSSZ() int                            { return len(n.encoding) }
func (n number) MarshalSSZTo(dst []byte) ([]byte, error) { return append(dst, n.encoding...), n.err }
func (n number) PutBytes([]byte)                         { panic("a root of what is none") }

func TestRootOfObject(t *testing.T) {
	t.Parallel()
	if root, err := shape.RootOf(number{encoding: []byte{1, 2}}); err != nil || root != [32]byte{1, 2} {
		t.Errorf("root %x, error %v, want 0102…", root, err)
	}
	errEncode := errors.New("cannot encode")
	for _, test := range []struct {
		of   number
		want error
	}{
		{number{err: errEncode}, errEncode},
		{number{encoding: []byte{1}}, shape.ErrSize},
	} {
		if _, err := shape.RootOf(test.of); !errors.Is(err, test.want) {
			t.Errorf("error %v, want %v", err, test.want)
		}
		if err := shape.PutRoot(test.of, test.of); !errors.Is(err, test.want) {
			t.Errorf("error %v, want %v", err, test.want)
		}
	}
}
