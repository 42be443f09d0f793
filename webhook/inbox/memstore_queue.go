package inbox

import "container/heap"

// memQueue is a heap of records that know their place in it.
type memQueue struct {
	order   func(a, b *memRecord) int
	records []*memRecord
}

// first returns the first record, or nil.
func (q *memQueue) first() *memRecord {
	if len(q.records) == 0 {
		return nil
	}
	return q.records[0]
}

// put moves a record into the queue, or to its new place in it.
func (q *memQueue) put(r *memRecord) {
	if r.queue == q {
		heap.Fix(q, r.index)
		return
	}
	if r.queue != nil {
		r.queue.remove(r)
	}
	r.queue = q
	heap.Push(q, r)
}

func (q *memQueue) remove(r *memRecord) {
	heap.Remove(q, r.index)
	r.queue = nil
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
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
	q.records[i].index, q.records[j].index = i, j
}

func (q *memQueue) Push(x any) {
	r := x.(*memRecord)
	r.index = len(q.records)
	q.records = append(q.records, r)
}

func (q *memQueue) Pop() any {
	last := len(q.records) - 1
	r := q.records[last]
	q.records[last] = nil
	q.records = q.records[:last]
	return r
}
