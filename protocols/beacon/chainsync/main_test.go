package chainsync_test

import (
	"testing"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
)

func TestMain(m *testing.M) { simtest.Main(m, "/chainsync") }
