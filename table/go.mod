// Tables of parsed documents, as rows of cells.
module github.com/reducto-go/reducto/table

go 1.26.0

require (
	github.com/reducto-go/reducto v0.0.0
	github.com/stretchr/testify v1.12.1
	golang.org/x/net v0.62.0
)

require (
	github.com/google/uuid v1.6.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace github.com/reducto-go/reducto => ..
