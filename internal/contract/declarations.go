package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// declarationsScript prints the declarations of the Node SDK as JSON.
//
//go:embed declarations.mjs
var declarationsScript []byte

// declarations are the methods and the types that the Node SDK declares, as the
// script prints them.
type declarations struct {
	Methods map[string]method `json:"methods"` // by Class.name
	Types   map[string]node   `json:"types"`   // by the way to it: ParseResponse.FullResult
}

// method is a method of a class that calls the API.
type method struct {
	Params []param `json:"params"`
	Result node    `json:"result"` // the type in APIPromise<...>
}

type param struct {
	Name   string `json:"name"`
	Schema node   `json:"schema"`
}

// declare runs the script and returns its output: the TypeScript compiler in one
// directory reads the SDK in the other.
func declare(compiler, sdk string) ([]byte, error) {
	if _, err := os.Stat(filepath.Join(compiler, "package.json")); err != nil {
		return nil, fmt.Errorf("no TypeScript compiler beside the SDK: run npm ci --ignore-scripts in conformance: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "--input-type=module", "-", compiler, sdk)
	var problems bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(declarationsScript), &problems
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("node could not read the declarations, install Node 20 or later: %w: %s", err, bytes.TrimSpace(problems.Bytes()))
	}
	return out, nil
}
