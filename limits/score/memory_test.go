package score_test

import (
	"encoding/binary"
	"runtime"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits/score"
)

// TestRecordsTakeAsMuchMemoryAsStated fills a book. It must not run beside others, whose memory
// would count.
func TestRecordsTakeAsMuchMemoryAsStated(t *testing.T) {
	const perRecord = 450 // as the package's documentation has it
	before := heap()
	b := newBook(t, nil)
	for i := range defaults.MaxPeers {
		id := binary.LittleEndian.AppendUint64(make([]byte, 31), uint64(i))
		b.Penalize(peer.ID(id), score.LowTolerance, "test")
	}
	took := (heap() - before) / uint64(defaults.MaxPeers)
	if took > perRecord || took < perRecord/2 {
		t.Errorf("a record takes %d bytes, want at most %d", took, perRecord)
	}
	t.Logf("a record takes %d bytes", took)
	if b.Score("\x00") != 0 { // keeps it until here
		t.Error("a stranger has a score")
	}
}

// heap returns how many bytes are in use.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first has freed may be swept only now
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
