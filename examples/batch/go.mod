module github.com/reducto-go/reducto/examples/batch

go 1.26

require (
	github.com/reducto-go/reducto v0.0.0-00010101000000-000000000000
	github.com/stretchr/testify v1.12.1
	github.com/vbauerster/mpb/v8 v8.16.1
)

require (
	github.com/VividCortex/ewma v1.2.0 // indirect
	github.com/acarl005/stripansi v0.0.0-20180116102854-5a71ef0e047d // indirect
	github.com/clipperhouse/uax29/v2 v2.7.0 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/mattn/go-runewidth v0.0.28 // indirect
	github.com/vbauerster/cupwriter v0.0.4 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sys v0.47.0 // indirect
)

replace github.com/reducto-go/reducto => ../..
