package storetest

var concurrencyChecks = []check{}
