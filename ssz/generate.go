package ssz

//go:generate go run ./internal/gen
