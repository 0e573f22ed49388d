// Package json is the JSON codec of package reqresp. On the wire it is that of
// rust-libp2p's request_response::json, so that either side of a protocol may
// be written in Rust.
//
//	family := reqresp.Family{Codec: json.Codec{}}
//	greet := reqresp.NewUnary[GreetRequest, GreetResponse](family, "greet", 1).
//		WithProtocols("/my-json-protocol")
//
// Messages are whatever encoding/json takes. The limits of a protocol are by
// default those of rust-libp2p.
//
// # Wire format
//
// A request is one JSON text up to the end of the stream, and so is its
// response. There is space for nothing else: a protocol of this codec has
// exactly one response or none, and a server that refuses a request can but
// reset the stream. Package chunked makes of this codec one without these
// bounds, which peers written in Rust do not know.
//
// Space around the text is allowed, any other byte is an error.
//
// # Types
//
// A struct's fields want a tag with the name that Rust knows them by. The types
// that are alike on the wire are
//
//	Rust                   Go                       JSON
//	integers               integers, *big.Int       7
//	f32, f64               float32, float64         1.5
//	bool, String, char     bool, string             true, "x"
//	Option<T>              *T                       null
//	Vec<T>                 []T, never nil           [1,2]
//	Vec<u8>                serde.Bytes              [1,2]
//	[T; N]                 [N]T                     [1,2]
//	tuple                  [N]any                   [1,"x"]
//	HashMap, BTreeMap      map, never nil           {"k":1}
//	(), struct S;          serde.Unit               null
//	struct S {}            struct{}                 {}
//	enum, without fields   string                   "A"
//	enum, with fields      struct of omitempty *T   {"B":5}
//
// # Differences in writing
//
// Text is byte for byte what serde_json 1.0 writes, on one line and with
// nothing escaped that need not be, with these exceptions.
//
//   - Some floats are written in another way: 1 instead of 1.0, and digits
//     instead of an exponent from 1e-6 up to 1e-5 and from 1e16 up to 1e21. Rust
//     reads both.
//   - NaN and infinities, which serde_json writes as null, are an error.
//   - A nil slice or map is written as null, which Rust reads as None and into
//     no vector or map: make them empty.
//   - A string that is not UTF-8 is an error. As it is found by the escape that
//     encoding/json would put in its place, so is a json.RawMessage in which
//     the character U+FFFD is escaped.
//
// # Differences in reading
//
// As in serde_json unknown fields are ignored, numbers have to fit their types,
// and text that is not UTF-8, half a surrogate pair, and arrays and objects
// nested more than 127 deep are errors. Here they are errors in what is
// ignored, too. Otherwise the rules are those of encoding/json, which is more
// lenient with structs:
//
//   - A field that comes twice has its last value; serde refuses it.
//   - A field's name may differ in case.
//   - A field that is left out or null is zero; serde allows for that in an
//     Option only.
//   - An array of another length than Go's is cut or filled up.
//   - A struct that comes as an array is an error; serde reads it.
//
// # Errors
//
// A message over its limit wraps [reqresp.ErrTooLarge], one that is cut off
// [io.ErrUnexpectedEOF]. No more than the limit and one byte is read, and
// memory grows with what was received.
//
// # Concurrency
//
// A [Codec] has no state and may be used by any number of goroutines.
package json
