package webhook

import (
	"container/heap"
	"iter"
	"slices"
	"strings"
)

// memQueue is a heap of records that know where in it they are. The zero value
// with an order is empty.
type memQueue struct {
	order   func(a, b *memRecord) int
	records []*memRecord
}

// first is the record that comes before all others, nil if there is none.
func (q *memQueue) first() *memRecord {
	if len(q.records) == 0 {
		return nil
	}
	return q.records[0]
}

// take puts r in here, or into its new place here, out of the queue that it was in.
func (q *memQueue) take(r *memRecord) {
	if r.queue == q {
		heap.Fix(q, r.at)
		return
	}
	if r.queue != nil {
		r.queue.remove(r)
	}
	r.queue = q
	heap.Push(q, r)
}

func (q *memQueue) remove(r *memRecord) {
	heap.Remove(q, r.at)
	r.queue = nil
}

// The methods of heap.Interface.

func (q *memQueue) Len() int { return len(q.records) }

func (q *memQueue) Less(i, j int) bool {
	a, b := q.records[i], q.records[j]
	if c := q.order(a, b); c != 0 {
		return c < 0
	}
	return a.seq < b.seq
}

func (q *memQueue) Swap(i, j int) {
	q.records[i], q.records[j] = q.records[j], q.records[i]
	q.records[i].at, q.records[j].at = i, j
}

func (q *memQueue) Push(x any) {
	r := x.(*memRecord)
	r.at = len(q.records)
	q.records = append(q.records, r)
}

func (q *memQueue) Pop() any {
	last := len(q.records) - 1
	r := q.records[last]
	q.records[last] = nil
	q.records = q.records[:last]
	return r
}

// memIndex has records by key: chunks that are in order, of records that are in
// order. A chunk is never empty.
type memIndex struct {
	chunks [][]*memRecord
}

// memChunk is the size at which a chunk is split: small enough to insert into by
// moving, large enough that the list of chunks is short.
const memChunk = 256

func compareKey(r *memRecord, key string) int { return strings.Compare(r.Key, key) }

// chunk is the index of the chunk that has the key if any has, and where it would
// have to be inserted.
func (x *memIndex) chunk(key string) int {
	i, found := slices.BinarySearchFunc(x.chunks, key, func(c []*memRecord, key string) int {
		return compareKey(c[0], key)
	})
	if !found && i > 0 {
		i--
	}
	return i
}

func (x *memIndex) insert(r *memRecord) {
	if len(x.chunks) == 0 {
		x.chunks = append(x.chunks, []*memRecord{r})
		return
	}
	i := x.chunk(r.Key)
	at, _ := slices.BinarySearchFunc(x.chunks[i], r.Key, compareKey)
	c := slices.Insert(x.chunks[i], at, r)
	x.chunks[i] = c
	if len(c) < memChunk {
		return
	}
	// Keys that come in order, as UUIDv7 do, fill chunks that way.
	split := memChunk / 2
	if at == len(c)-1 {
		split = at
	}
	// Both are copied, so that neither keeps alive what is removed from the other.
	x.chunks[i] = slices.Clone(c[:split])
	x.chunks = slices.Insert(x.chunks, i+1, slices.Clone(c[split:]))
}

// remove takes out the record with the key, which is there.
func (x *memIndex) remove(key string) {
	i := x.chunk(key)
	at, _ := slices.BinarySearchFunc(x.chunks[i], key, compareKey)
	x.chunks[i] = slices.Delete(x.chunks[i], at, at+1)
	if len(x.chunks[i]) == 0 {
		x.chunks = slices.Delete(x.chunks, i, i+1)
	}
}

// after yields the records with keys after key, in order.
func (x *memIndex) after(key string) iter.Seq[*memRecord] {
	return func(yield func(*memRecord) bool) {
		for i := x.chunk(key); i < len(x.chunks); i++ {
			at, found := slices.BinarySearchFunc(x.chunks[i], key, compareKey)
			if found {
				at++
			}
			for _, r := range x.chunks[i][at:] {
				if !yield(r) {
					return
				}
			}
		}
	}
}
