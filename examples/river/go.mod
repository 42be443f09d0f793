module github.com/reducto-go/reducto/examples/river

go 1.26.0

require (
	github.com/jackc/pgx/v5 v5.12.0
	github.com/reducto-go/reducto v0.0.0
	github.com/reducto-go/reducto/webhook/inbox/sqlstore v0.0.0
	github.com/riverqueue/river v0.51.2
	github.com/riverqueue/river/riverdriver/riverdatabasesql v0.51.2
	github.com/stretchr/testify v1.12.1
)

replace (
	github.com/reducto-go/reducto => ../..
	github.com/reducto-go/reducto/webhook/inbox/sqlstore => ../../webhook/inbox/sqlstore
)
