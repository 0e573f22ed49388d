// Package e2store reads and writes e2store files, the container of Ethereum's history archives: a sequence of
// records, each of which is a header of 8 bytes and data.
//
//	record := type (2 bytes) | length (4 bytes, little-endian) | reserved (2 bytes, zero) | data
//
// What the records mean is up to the format that is built on top: era files, which package era reads, and the
// segment files of a block store. The package knows neither.
//
// # Reading
//
// A [Source] is where the bytes are: a local file, an HTTP server that answers ranges, or an object store.
// [NewSource] makes one of an [io.ReaderAt]. A [Reader] walks the records of a source in their order and reads
// ahead, so that many small records cost few reads:
//
//	r := e2store.NewReader(src, 0, src.Size())
//	for {
//		record, err := r.Next(ctx)
//		if err == io.EOF {
//			break
//		}
//		if err != nil {
//			return err
//		}
//		if record.Type == e2store.CompressedSignedBeaconBlock {
//			frames, err := r.Data(ctx, maxFrames)
//			…
//		}
//	}
//
// [ReadRecord] and [AppendData] read a record at a known offset.
//
// Every record has to lie within its source, and memory grows with the bytes received, never with the length that a
// header claims.
//
// # Writing
//
// A [Writer] appends records to a file and returns the offset of each. [AppendRecord] appends one to a buffer, to write
// many records at once.
//
// A file that a crash has cut ends within a record. A Reader reports that as an [*Error] of [ErrTruncated], whose
// offset is that of the incomplete record: all records before it are whole, and a file cut to that size is an
// e2store file again.
//
// The package follows eth-clients/e2store-format-specs.
package e2store
