// Package cbor is the CBOR codec of package reqresp. On the wire it is that of
// rust-libp2p's request_response::cbor, so that either side of a protocol may
// be written in Rust.
//
//	family := reqresp.Family{Codec: cbor.Codec{}}
//	greet := reqresp.NewUnary[GreetRequest, GreetResponse](family, "greet", 1).
//		WithProtocols("/my-cbor-protocol")
//
// Messages are whatever github.com/fxamacker/cbor takes; it knows the tags of
// encoding/json, too. The limits of a protocol are by default those of
// rust-libp2p.
//
// # Wire format
//
// A request is one CBOR data item, and so is its response. Bytes between the
// item and the end of the stream are ignored, as Rust ignores them, but count
// against the limit. There is space for nothing else: a protocol of this codec
// has exactly one response or none, and a server that refuses a request can but
// reset the stream. Package chunked makes of this codec one without these
// bounds, which peers written in Rust do not know.
//
// # Types
//
// A struct is a map with its fields in the order of their declaration. They
// want a tag with the name that Rust knows them by. The types that are alike on
// the wire are
//
//	Rust                    Go                          CBOR
//	integers                integers                    07
//	u128, i128              *big.Int                    07, c2 49 …
//	f32, f64                float32, float64            fa …, fb …
//	bool, String, char      bool, string                f5, 61 78
//	Option<T>               *T                          f6
//	Vec<T>                  []T                         82 01 02
//	Vec<u8>                 serde.Bytes                 82 01 02
//	serde_bytes             []byte                      42 01 02
//	[T; N]                  [N]T                        82 01 02
//	tuple, struct S(A, B)   struct with toarray         82 01 61 78
//	HashMap, BTreeMap       map                         a1 61 6b 01
//	(), struct S;           serde.Unit                  80
//	struct S {}             struct{}                    a0
//	enum, without fields    string                      61 41
//	enum, with fields       struct of omitempty *T      a1 61 42 05
//
// # Differences in writing
//
// Items are byte for byte what cbor4ii writes, except that a map is in no
// order. Lengths are definite, integers as short as can be, and floats as wide
// as their type, whatever their value: Rust reads no other. A nil slice or map
// is written as an empty one. Strings are not checked; Rust refuses one that is
// not UTF-8.
//
// # Differences in reading
//
// As in cbor4ii unknown fields are ignored, lengths may be indefinite and
// longer than need be, numbers have to fit their types, names of fields are
// exact, and text that is not UTF-8, a field that comes twice, tags but those
// of 128-bit integers, and arrays and maps nested more than 256 deep are
// errors. The last two are errors here in what is ignored, too, as are items of
// indefinite length nested more than 16 deep and a key that a map has twice.
// Otherwise more is read than cbor4ii would:
//
//   - A float of any width, and an integer, for a float.
//   - A field that is left out or null is zero; serde allows for that in an
//     Option only.
//   - An array of another length than Go's is cut or filled up.
//   - A byte string and an array of numbers for either of []byte and
//     serde.Bytes.
//   - A 128-bit integer for a smaller one, if it fits.
//
// # Errors
//
// A message over its limit wraps [reqresp.ErrTooLarge], one that is cut off
// [io.ErrUnexpectedEOF]. No more than the limit and one byte is read, and
// memory grows with what was received: a length that is claimed is believed
// only once as many items have come.
//
// # Concurrency
//
// A [Codec] has no state and may be used by any number of goroutines.
package cbor
