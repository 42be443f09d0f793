package storetest

import (
	"reflect"
	"slices"
	"time"

	"github.com/reducto-go/reducto/webhook"
)

func (e *env) wantState(key string, want webhook.State) {
	e.Helper()
	if got := e.record(key).State; got != want {
		e.Errorf("%s is %s, want %s", key, got, want)
	}
}

func (e *env) wantNone(key string) {
	e.Helper()
	if r, ok := e.find(key); ok {
		e.Errorf("there is a record %s", describe(r))
	}
}

// wantDueIn compares how far ahead the record's DueAt is.
func (e *env) wantDueIn(key string, want time.Duration) {
	e.Helper()
	r := e.record(key)
	near(e, key+" is due", r.DueAt.Sub(r.ReadAt), want)
}

// unchanged wants everything in the store to be as it was before f.
func (e *env) unchanged(f func()) {
	e.Helper()
	before := e.all()
	f()
	e.wantAll(before)
}

// unchangedBut is unchanged, but wants f to remove the records with these keys.
func (e *env) unchangedBut(removed []string, f func()) {
	e.Helper()
	want := slices.DeleteFunc(e.all(), func(r webhook.Record) bool { return slices.Contains(removed, r.Key) })
	f()
	e.wantAll(want)
}

func (e *env) wantAll(want []webhook.Record) {
	e.Helper()
	got := e.all()
	if !reflect.DeepEqual(withoutReadAt(got), withoutReadAt(want)) {
		e.Errorf("the store has\n%s\nwant\n%s", describeAll(got), describeAll(want))
	}
}

func equal[T comparable](e *env, what string, got, want T) {
	e.Helper()
	if got != want {
		e.Errorf("%s: %v, want %v", what, got, want)
	}
}

func equalAll[T comparable](e *env, what string, got, want []T) {
	e.Helper()
	if !slices.Equal(got, want) {
		e.Errorf("%s: %v, want %v", what, got, want)
	}
}

func equalBools(e *env, what string, got []bool, want ...bool) {
	e.Helper()
	equalAll(e, what, got, want)
}

func near(e *env, what string, got, want time.Duration) {
	e.Helper()
	if (got - want).Abs() > slack {
		e.Errorf("%s: %v, want %v", what, got, want)
	}
}
