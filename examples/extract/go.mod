// The example of an extraction. It is a module because it uses the module schema.
module github.com/reducto-go/reducto/examples/extract

go 1.26.0

require (
	github.com/reducto-go/reducto v0.0.0
	github.com/reducto-go/reducto/schema v0.0.0
	github.com/stretchr/testify v1.12.1
)

require (
	github.com/google/jsonschema-go v0.4.3 // indirect
	github.com/google/uuid v1.6.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace (
	github.com/reducto-go/reducto => ../..
	github.com/reducto-go/reducto/schema => ../../schema
)
