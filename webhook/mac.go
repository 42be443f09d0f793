package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"sync"
)

// keyed returns HMAC-SHA256 hashes of one key. Setting up a hash costs as much as
// hashing a delivery, so hashes are pooled. fmt prints a closure as an address. It would
// print a key that is in an unexported field.
type keyed func() *keyedHash

func newKeyed(key []byte) keyed {
	pool := new(sync.Pool)
	pool.New = func() any { return &keyedHash{hash: hmac.New(sha256.New, key), pool: pool} }
	return func() *keyedHash { return pool.Get().(*keyedHash) }
}

// keyedHash is a hash in use. A method that returns its text resets it and returns it
// to the pool, so call only one.
type keyedHash struct {
	hash    hash.Hash
	pool    *sync.Pool
	scratch []byte
}

// spell returns the base64 of the hash.
func (k *keyedHash) spell(encoding *base64.Encoding) (text spelled) {
	k.scratch = k.hash.Sum(k.scratch[:0])
	encoding.Encode(text[:], k.scratch)
	k.hash.Reset()
	k.pool.Put(k)
	return text
}

// spelled is a hash in base64 with padding. Without padding it is one byte shorter.
type spelled [(sha256.Size + 2) / 3 * 4]byte
