package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"sync"
)

// keyed hands out HMAC-SHA256 under one key. Setting up a key costs as much as
// hashing a delivery, so that hashes are used again. It is a closure because fmt,
// which prints unexported fields without asking, cannot look into one.
type keyed func() *keyedHash

func newKeyed(key []byte) keyed {
	pool := new(sync.Pool)
	pool.New = func() any { return &keyedHash{hash: hmac.New(sha256.New, key), pool: pool} }
	return func() *keyedHash { return pool.Get().(*keyedHash) }
}

// keyedHash is one hash under way. spell ends it; it must not be used after that.
type keyedHash struct {
	hash    hash.Hash
	pool    *sync.Pool
	scratch []byte
}

// spell is the base64 of the hash of all that was written.
func (k *keyedHash) spell(encoding *base64.Encoding) (text spelled) {
	k.scratch = k.hash.Sum(k.scratch[:0])
	encoding.Encode(text[:], k.scratch)
	k.hash.Reset()
	k.pool.Put(k)
	return text
}

// spelled is a hash in base64: all of it with padding, all but the last byte
// without.
type spelled [(sha256.Size + 2) / 3 * 4]byte
