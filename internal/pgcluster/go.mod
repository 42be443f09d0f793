// PostgreSQL servers for tests that restart them.
module github.com/reducto-go/reducto/internal/pgcluster

go 1.26
