package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

const module = "github.com/reducto-go/reducto"

// source is what only the text of package reducto tells: the constants that a type
// has, which types there are, and what comments say.
type source struct {
	constants  map[string][]string // the values of each string type, in order
	structs    []string            // the exported structs with members in JSON
	deprecated []string            // the methods whose comments call their endpoint deprecated
}

// findRoot looks for the root of the module in dir and above.
func findRoot(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.Contains("\n"+string(text), "\nmodule "+module+"\n") {
			return dir, nil
		}
		if parent := filepath.Dir(dir); parent != dir {
			dir = parent
			continue
		}
		return "", fmt.Errorf("the module %s is not here, nor in a directory above: run this in its repository", module)
	}
}

// readSource parses the package in dir.
func readSource(dir string) (*source, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no Go files in %s", dir)
	}
	s := &source{constants: map[string][]string{}}
	texts := map[string]bool{} // the types whose values are strings
	for _, f := range files {
		for _, decl := range f.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.TYPE {
				s.method(decl)
				continue
			}
			for _, spec := range gen.Specs {
				s.declared(spec.(*ast.TypeSpec), texts)
			}
		}
	}
	for _, f := range files {
		for _, decl := range f.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.CONST {
				continue
			}
			for _, spec := range gen.Specs {
				if err := s.constant(spec.(*ast.ValueSpec), texts); err != nil {
					return nil, fmt.Errorf("%s: %w", fset.Position(spec.Pos()), err)
				}
			}
		}
	}
	return s, nil
}

func (s *source) method(decl ast.Decl) {
	f, ok := decl.(*ast.FuncDecl)
	if !ok || f.Recv == nil || !f.Name.IsExported() || !strings.Contains(f.Doc.Text(), "deprecated") {
		return
	}
	if of, ok := f.Recv.List[0].Type.(*ast.StarExpr); ok {
		if name, ok := of.X.(*ast.Ident); ok {
			s.deprecated = append(s.deprecated, name.Name+"."+f.Name.Name)
		}
	}
}

func (s *source) declared(t *ast.TypeSpec, texts map[string]bool) {
	if !t.Name.IsExported() {
		return
	}
	switch u := t.Type.(type) {
	case *ast.Ident:
		texts[t.Name.Name] = u.Name == "string"
	case *ast.StructType:
		for _, f := range u.Fields.List {
			if f.Tag == nil {
				continue
			}
			tag, _ := strconv.Unquote(f.Tag.Value)
			if name := reflect.StructTag(tag).Get("json"); name != "" && name != "-" {
				s.structs = append(s.structs, t.Name.Name)
				return
			}
		}
	}
}

func (s *source) constant(v *ast.ValueSpec, texts map[string]bool) error {
	of, ok := v.Type.(*ast.Ident)
	if !ok || !texts[of.Name] {
		return nil
	}
	for i, name := range v.Names {
		if !name.IsExported() {
			continue
		}
		if i >= len(v.Values) {
			return errors.New("a constant without a value of its own")
		}
		lit, ok := v.Values[i].(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return fmt.Errorf("the value of %s is no plain string, so that it cannot be compared", name.Name)
		}
		value, err := strconv.Unquote(lit.Value)
		if err != nil {
			return err
		}
		s.constants[of.Name] = append(s.constants[of.Name], value)
	}
	return nil
}
