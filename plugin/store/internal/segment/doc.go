// Package segment keeps objects of history in append-only files: e2store files, one for each kind of object and period
// of slots, and supplementary ones beside those that cannot be appended to.
//
// A file begins with a Version record and an Info record, whose data is a JSON object that names the kind, the period
// and the record type. Each further record is one object: the snappy frames of its SSZ encoding, as on the wire. Blocks
// have the type that era files give them; the format assigns none to sidecars and envelopes yet, which have types of
// the range for applications:
//
//	0x8000  Info, JSON
//	0x0100  SignedBeaconBlock, as in era files
//	0x8001  BlobSidecar
//	0x8002  DataColumnSidecar
//	0x8003  SignedExecutionPayloadEnvelope
//
// The records of a file may be in any order. Which of them count, up to which length the file is written, and where
// each object is, the caller keeps in its own index: a file may end with records that the index does not know,
// which the next [Writer] cuts off.
package segment
