package main

import "fmt"

// goal is a row of the table of goals.
type goal struct {
	id   string
	area string
	what string
	// least or most is the goal; the other one is 0.
	least, most float64
	unit        string
	// main rows are those of the short table.
	main bool
}

// met reports whether a figure reaches the goal.
func (g goal) met(s spread) bool {
	if g.most > 0 {
		return s.median <= g.most
	}
	return s.median >= g.least
}

// String is the goal as a reader of the table sees it.
func (g goal) String() string {
	if g.most > 0 {
		return "≤ " + g.number(g.most)
	}
	return "≥ " + g.number(g.least)
}

func (g goal) number(v float64) string {
	switch {
	case g.unit == "":
		return fmt.Sprintf("%.4g", v)
	case g.unit == "MB":
		return fmt.Sprintf("%.3g MB", v)
	}
	return fmt.Sprintf("%.2f %s", v, g.unit)
}

// goals are those that were set. The ratios of decoding are to encoding/json, unless they
// say another peer.
var goals = []goal{
	{id: "kept 100K", area: "decode", what: "result kept, 100 KB in the answer (GetJob)", least: 5, unit: "x"},
	{id: "kept 1M", area: "decode", what: "result kept, 1 MB in the answer (GetJob)", least: 5, unit: "x", main: true},
	{id: "kept 10M", area: "decode", what: "result kept, 10 MB behind a link (Load)", least: 5, unit: "x", main: true},
	{id: "kept 200M", area: "decode", what: "result kept, 200 MB behind a link (Load)", least: 5, unit: "x", main: true},
	{id: "kept one chunk", area: "decode", what: "result kept, 10 MB in one chunk (Load)", least: 5, unit: "x"},
	{id: "kept OCR", area: "decode", what: "result kept, 10 MB mostly OCR (Load, OCR)", least: 4, unit: "x", main: true},
	{id: "allocations 100K", area: "decode", what: "allocations, kept, 100 KB", most: 0.25, unit: "x"},
	{id: "allocations 1M", area: "decode", what: "allocations, kept, 1 MB", most: 0.25, unit: "x"},
	{id: "allocations 10M", area: "decode", what: "allocations, kept, 10 MB", most: 0.25, unit: "x", main: true},
	{id: "allocations 200M", area: "decode", what: "allocations, kept, 200 MB", most: 0.25, unit: "x"},
	{id: "allocations one chunk", area: "decode", what: "allocations, kept, 10 MB in one chunk", most: 0.25, unit: "x"},
	{id: "allocations OCR", area: "decode", what: "allocations, kept, 10 MB mostly OCR", most: 0.25, unit: "x"},
	{id: "peak kept", area: "decode", what: "peak memory over idle, kept, 200 MB, in documents", most: 1.1, unit: "x", main: true},
	{id: "embed", area: "decode", what: "equal embed and content that share their bytes, part", least: 1, unit: "x"},
	{id: "stream 10M", area: "decode", what: "streamed by block, 10 MB (Blocks), beside json.Decoder", least: 4.5, unit: "x"},
	{id: "stream 200M", area: "decode", what: "streamed by block, 200 MB (Blocks), beside json.Decoder", least: 4.5, unit: "x", main: true},
	{id: "stream one chunk", area: "decode", what: "streamed by block, 200 MB in one chunk, beside json.Decoder", least: 4.5, unit: "x"},
	{id: "peak stream", area: "decode", what: "peak memory over idle, streamed by block, 200 MB", most: 8, unit: "MB", main: true},
	{id: "peak one chunk", area: "decode", what: "peak memory over idle, streamed by block, 200 MB in one chunk", most: 8, unit: "MB", main: true},
	{id: "peak markdown", area: "decode", what: "peak memory over idle, written as Markdown (WriteMarkdown), 200 MB", most: 8, unit: "MB"},
	{id: "peak passages", area: "decode", what: "peak memory over idle, divided into passages (Passages), 200 MB", most: 8, unit: "MB"},
	{id: "union", area: "decode", what: "cost of the union: 10 MB by GetJob, of any type, beside Load", most: 1.05, unit: "x"},

	{id: "secret CPU", area: "webhook", what: "delivery with a Secret in the process, beside ReadAll + json.Unmarshal", most: 0.35, unit: "x", main: true},
	{id: "secret allocations", area: "webhook", what: "delivery with a Secret in the process, allocations", most: 4},
	{id: "svix CPU", area: "webhook", what: "delivery with Svix in the process, beside Svix's library", most: 0.25, unit: "x", main: true},
	{id: "svix allocations", area: "webhook", what: "delivery with Svix in the process, allocations", most: 3},
	{id: "secret known", area: "webhook", what: "deliveries a second, 64 connections, Secret, known deliveries, beside by hand", least: 0.97, unit: "x", main: true},
	{id: "secret first", area: "webhook", what: "deliveries a second, 64 connections, Secret, first deliveries, beside by hand", least: 0.97, unit: "x", main: true},
	{id: "svix known", area: "webhook", what: "deliveries a second, 64 connections, Svix, known deliveries, beside by hand", least: 0.93, unit: "x"},
	{id: "svix first", area: "webhook", what: "deliveries a second, 64 connections, Svix, first deliveries, beside by hand", least: 0.93, unit: "x"},

	{id: "submit CPU", area: "submit", what: "a submission, beside a POST by hand", most: 1.15, unit: "x", main: true},
	{id: "submit allocations", area: "submit", what: "a submission's allocations, beside a POST by hand", most: 1.15, unit: "x"},
	{id: "submit connections", area: "submit", what: "64 at a time over TLS: new connections a submission", most: 0.05},
	{id: "submit TLS", area: "submit", what: "64 at a time over TLS, HTTP/1.1, a second, beside http.DefaultTransport", least: 4, unit: "x", main: true},

	{id: "sqlite intake", area: "durable", what: "durable before the 200, 64 connections, SQLite FULL, beside no store", least: 0.33, unit: "x", main: true},
	{id: "sqlite commit", area: "durable", what: "deliveries a commit, SQLite", least: 20},
	{id: "sqlite lone commits", area: "durable", what: "one client: commits a delivery, SQLite", most: 1},
	{id: "sqlite lone", area: "durable", what: "one client: time of a delivery beside a commit, SQLite", most: 1.05, unit: "x"},
	{id: "sqlite claim", area: "durable", what: "claim + complete for 64 workers, SQLite FULL, beside row at a time", least: 4, unit: "x", main: true},
	{id: "postgres intake", area: "durable", what: "durable before the 200, 64 connections, PostgreSQL, beside no store", least: 0.33, unit: "x", main: true},
	{id: "postgres commit", area: "durable", what: "deliveries a commit, PostgreSQL", least: 20},
	{id: "postgres lone commits", area: "durable", what: "one client: commits a delivery, PostgreSQL", most: 1},
	{id: "postgres lone", area: "durable", what: "one client: time of a delivery beside a commit, PostgreSQL", most: 1.05, unit: "x"},
	{id: "postgres claim", area: "durable", what: "claim + complete for 64 workers, PostgreSQL, beside row at a time", least: 4, unit: "x", main: true},

	{id: "river pgx CPU", area: "peers", what: "CPU a job, beside River with pgx", most: 1, unit: "x", main: true},
	{id: "river pgx p99", area: "peers", what: "p99 from delivery to function, beside River with pgx", most: 1, unit: "x", main: true},
	{id: "river sql CPU", area: "peers", what: "CPU a job, beside River with database/sql", most: 1, unit: "x", main: true},
	{id: "river sql p99", area: "peers", what: "p99 from delivery to function, beside River with database/sql", most: 1, unit: "x", main: true},
	{id: "river sql rate", area: "peers", what: "jobs a second, beside River with database/sql", least: 1.5, unit: "x", main: true},
	{id: "skip locked CPU", area: "peers", what: "CPU a job, beside a table with SKIP LOCKED by hand", most: 1, unit: "x", main: true},
	{id: "skip locked p99", area: "peers", what: "p99 from delivery to function, beside a table with SKIP LOCKED by hand", most: 1, unit: "x", main: true},
	{id: "asynq CPU", area: "peers", what: "CPU a job, beside asynq on Redis", most: 1, unit: "x", main: true},
	{id: "asynq p99", area: "peers", what: "p99 from delivery to function, beside asynq on Redis", most: 1, unit: "x", main: true},
}

// goalNamed is the goal with an id; its zero value if there is none.
func goalNamed(id string) goal {
	for _, g := range goals {
		if g.id == id {
			return g
		}
	}
	return goal{}
}
