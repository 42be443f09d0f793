// Package inboxtest has what the tests of package inbox and the scenarios share: an
// Env with a Reducto, a store and the processes on it, a store that fails when it is
// told to, and observers that remember.
package inboxtest
