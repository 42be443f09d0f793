// Package scenarios has the scenarios of the receiving side, as tests. Each tells one
// story with an Inbox, over memory in virtual time, and over SQLite, PostgreSQL and MySQL in
// real time, by the same code.
//
//	go test -run TestScenarios/.*/memory
//
// The table in scenarios_test.go has the numbers of the specification. Other tests post
// deliveries while a real database fails. They restart a PostgreSQL server of their own, let
// it fail over, and fill the disk under SQLite.
package scenarios
