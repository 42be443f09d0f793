// Programs that the scripts in .ci run.
module github.com/reducto-go/reducto/internal/tools

go 1.26
