package inbox

import (
	"context"
	"slices"

	"github.com/reducto-go/reducto/internal/wireid"
)

var _ HistoryStore = (*MemoryStore)(nil)

// AppendHistory implements HistoryStore.
func (m *MemoryStore) AppendHistory(ctx context.Context, list []HistoryEntry) error {
	if _, err := m.begin(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	for _, e := range list {
		if r := m.records[wireid.Key(e.Key)]; r != nil {
			e.Key = r.Key
			r.history = append(r.history, e)
			if n := len(r.history) - HistoryFirst - HistoryLatest; n > 0 {
				r.history = slices.Delete(r.history, HistoryFirst, HistoryFirst+n)
			}
		}
	}
	return nil
}

// History implements HistoryStore.
func (m *MemoryStore) History(ctx context.Context, key string) ([]HistoryEntry, error) {
	if _, err := m.begin(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	r := m.records[wireid.Key(key)]
	if r == nil {
		return nil, nil
	}
	list := slices.Clone(r.history)
	slices.SortStableFunc(list, func(a, b HistoryEntry) int { return a.At.Compare(b.At) })
	return list, nil
}
