package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// declarations are the types that TypeScript declaration files declare, as schemas.
// The reader knows the subset that the official Node SDK uses: interfaces, type
// aliases, namespaces and the methods of classes.
type declarations struct {
	types   map[string]node   // by the way to it: ParseResponse.FullResult
	aliases map[string]bool   // the types that are other names of a type
	methods map[string]method // by Class.name; the first of several overloads
	refs    []reference
}

func newDeclarations() *declarations {
	return &declarations{types: map[string]node{}, aliases: map[string]bool{}, methods: map[string]method{}}
}

// method is a method of a class, as far as it concerns the API.
type method struct {
	params []param
	result node // the type in APIPromise<...>
}

type param struct {
	name     string
	schema   node
	optional bool
}

// reference is a name in a type, to be resolved when all files are read.
type reference struct {
	at    node
	scope []string // the namespaces around it
	name  []string
}

// read reads one file into d.
func (d *declarations) read(file, text string) error {
	tokens, err := tokenize(text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	r := &tsReader{file: file, tokens: tokens, d: d, modules: map[string]bool{}, foreign: map[string]bool{}}
	if err := r.all(); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// resolve makes references of the names.
func (d *declarations) resolve() error {
	for _, ref := range d.refs {
		found := false
		for n := len(ref.scope); n >= 0 && !found; n-- {
			name := strings.Join(append(slices.Clone(ref.scope[:n]), ref.name...), ".")
			s, ok := d.types[name]
			switch {
			case ok && d.aliases[name]:
				ref.at["anyOf"], found = []any{s}, true
			case ok:
				ref.at["$ref"], found = schemaPrefix+name, true
			}
		}
		if !found {
			return fmt.Errorf("no declaration of the type %s, within %q", strings.Join(ref.name, "."), strings.Join(ref.scope, "."))
		}
	}
	return nil
}

// tsToken is a word, a string with its quotes, or one character.
type tsToken struct {
	text string
	line int
}

func tokenize(text string) ([]tsToken, error) {
	var tokens []tsToken
	line := 1
	for i := 0; i < len(text); {
		rest := text[i:]
		n := 1
		switch c := rest[0]; {
		case c == '\n':
			line++
			i++
			continue
		case c == ' ' || c == '\t' || c == '\r':
			i++
			continue
		case strings.HasPrefix(rest, "//"):
			n = len(rest)
			if end := strings.IndexByte(rest, '\n'); end >= 0 {
				n = end
			}
			i += n
			continue
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest, "*/")
			if end < 0 {
				return nil, fmt.Errorf("line %d: a comment without an end", line)
			}
			line += strings.Count(rest[:end], "\n")
			i += end + 2
			continue
		case c == '\'' || c == '"':
			end := 1
			for end < len(rest) && rest[end] != c && rest[end] != '\n' {
				if rest[end] == '\\' {
					end++
				}
				end++
			}
			if end >= len(rest) || rest[end] != c {
				return nil, fmt.Errorf("line %d: a string without an end", line)
			}
			n = end + 1
		case wordy(rune(c)):
			for n < len(rest) && wordy(rune(rest[n])) {
				n++
			}
		case strings.HasPrefix(rest, "=>"):
			n = 2
		}
		tokens = append(tokens, tsToken{rest[:n], line})
		i += n
	}
	return tokens, nil
}

func wordy(r rune) bool { return r == '_' || r == '$' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// tsReader reads one file.
type tsReader struct {
	file    string
	tokens  []tsToken
	at      int
	scope   []string
	d       *declarations
	modules map[string]bool // imported with * as
	foreign map[string]bool // types that are imported by their names
}

func (r *tsReader) peek() string {
	if r.at < len(r.tokens) {
		return r.tokens[r.at].text
	}
	return ""
}

func (r *tsReader) next() string {
	text := r.peek()
	r.at++
	return text
}

func (r *tsReader) skip(text string) bool {
	if r.peek() == text {
		r.at++
		return true
	}
	return false
}

func (r *tsReader) want(text string) error {
	if !r.skip(text) {
		return r.unexpected("want %q", text)
	}
	return nil
}

func (r *tsReader) unexpected(format string, args ...any) error {
	line := 0
	if n := len(r.tokens); n > 0 {
		line = r.tokens[min(r.at, n-1)].line
	}
	return fmt.Errorf("line %d: at %q: %s", line, r.peek(), fmt.Sprintf(format, args...))
}

// all reads all declarations up to the end, or to the end of a namespace.
func (r *tsReader) all() error {
	for r.at < len(r.tokens) && r.peek() != "}" {
		if err := r.declaration(); err != nil {
			return err
		}
	}
	return nil
}

func (r *tsReader) declaration() error {
	for slices.Contains([]string{"export", "declare", "abstract"}, r.peek()) {
		r.at++
	}
	switch word := r.next(); word {
	case ";":
		return nil
	case "import":
		return r.imports()
	case "{", "*", "default": // export { ... } from "..."
		for r.at < len(r.tokens) && !r.skip(";") {
			r.at++
		}
		return nil
	case "interface":
		name := r.next()
		if r.peek() != "{" {
			return r.unexpected("want the members of the interface %s", name)
		}
		s, err := r.object(append(slices.Clone(r.scope), name))
		if err != nil {
			return err
		}
		return r.declare(name, s)
	case "type":
		name := r.next()
		if err := r.want("="); err != nil {
			return err
		}
		s, err := r.union()
		if err != nil {
			return err
		}
		r.skip(";")
		r.d.aliases[strings.Join(append(slices.Clone(r.scope), name), ".")] = true
		return r.declare(name, s)
	case "namespace":
		r.scope = append(r.scope, r.next())
		if err := r.want("{"); err != nil {
			return err
		}
		if err := r.all(); err != nil {
			return err
		}
		r.scope = r.scope[:len(r.scope)-1]
		return r.want("}")
	case "class":
		return r.class()
	default:
		r.at--
		return r.unexpected("no declaration that this reader knows")
	}
}

func (r *tsReader) declare(name string, s node) error {
	way := strings.Join(append(slices.Clone(r.scope), name), ".")
	if _, twice := r.d.types[way]; twice {
		return r.unexpected("the type %s is declared twice", way)
	}
	r.d.types[way] = s
	return nil
}

// imports reads what stands between import and from.
func (r *tsReader) imports() error {
	module := r.peek() == "*"
	for r.at < len(r.tokens) && r.peek() != "from" {
		switch word := r.next(); {
		case module && wordy(rune(word[0])) && word != "as":
			r.modules[word] = true
		case !module && wordy(rune(word[0])) && word != "type" && word != "as":
			r.foreign[word] = true
		}
	}
	r.at += 2 // from "..."
	r.skip(";")
	return nil
}

// object reads members in braces. An interface is the scope of its own namespace.
func (r *tsReader) object(scope []string) (node, error) {
	if err := r.want("{"); err != nil {
		return nil, err
	}
	properties := node{}
	s := node{"type": "object", "properties": properties}
	var required []any
	for !r.skip("}") {
		r.skip("readonly")
		if r.skip("[") { // [key: string]: T
			r.at += 3
			if err := r.want("]"); err != nil {
				return nil, err
			}
			if err := r.want(":"); err != nil {
				return nil, err
			}
			inner, err := r.union()
			if err != nil {
				return nil, err
			}
			s["additionalProperties"] = inner
			r.skip(";")
			continue
		}
		name, err := r.name()
		if err != nil {
			return nil, err
		}
		if !r.skip("?") {
			required = append(required, name)
		}
		if err := r.want(":"); err != nil {
			return nil, err
		}
		inner, err := r.union()
		if err != nil {
			return nil, err
		}
		if !r.skip(";") && !r.skip(",") && r.peek() != "}" {
			return nil, r.unexpected("want the end of the member %s", name)
		}
		properties[name] = inner
	}
	if len(required) > 0 {
		s["required"] = required
	}
	if len(properties) == 0 && s["additionalProperties"] != nil {
		delete(s, "properties")
	}
	return s, nil
}

func (r *tsReader) name() (string, error) {
	word := r.next()
	switch {
	case word == "":
		return "", r.unexpected("want a name")
	case word[0] == '\'' || word[0] == '"':
		return unquote(word)
	case wordy(rune(word[0])):
		return word, nil
	}
	r.at--
	return "", r.unexpected("want a name")
}

func unquote(word string) (string, error) {
	inner := word[1 : len(word)-1]
	if word[0] == '\'' {
		inner = strings.ReplaceAll(strings.ReplaceAll(inner, `\'`, `'`), `"`, `\"`)
	}
	return strconv.Unquote(`"` + inner + `"`)
}

// union reads T | U. A union of texts becomes an enum.
func (r *tsReader) union() (node, error) {
	r.skip("|")
	var arms, texts []any
	for {
		s, err := r.array()
		if err != nil {
			return nil, err
		}
		if text, ok := s["const"].(string); ok {
			texts = append(texts, text)
		} else {
			arms = append(arms, s)
		}
		if !r.skip("|") {
			break
		}
	}
	if len(texts) > 0 {
		arms = append([]any{node{"type": "string", "enum": texts}}, arms...)
	}
	if len(arms) == 1 {
		return arms[0].(node), nil
	}
	return node{"anyOf": arms}, nil
}

// array reads T, T[] and T[][].
func (r *tsReader) array() (node, error) {
	s, err := r.single()
	for err == nil && r.peek() == "[" {
		r.at++
		if err = r.want("]"); err == nil {
			s = node{"type": "array", "items": s}
		}
	}
	return s, err
}

func (r *tsReader) single() (node, error) {
	word := r.next()
	switch word {
	case "string":
		return node{"type": "string"}, nil
	case "number":
		return node{"type": numeric}, nil
	case "boolean", "null":
		return node{"type": word}, nil
	case "true", "false":
		return node{"type": "boolean"}, nil
	case "undefined", "void", "never":
		return node{"type": "null"}, nil
	case "unknown", "any", "object":
		return node{}, nil
	case "{":
		r.at--
		return r.object(r.scope)
	case "(":
		s, err := r.union()
		if err != nil {
			return nil, err
		}
		return s, r.want(")")
	case "Array", "Record", "Readonly", "Partial":
		args, err := r.arguments()
		if err != nil {
			return nil, err
		}
		switch {
		case word == "Array" && len(args) == 1:
			return node{"type": "array", "items": args[0]}, nil
		case word == "Record" && len(args) == 2:
			s := node{"type": "object", "additionalProperties": args[1]}
			if args[0]["enum"] != nil {
				s["propertyNames"] = args[0]
			}
			return s, nil
		case word == "Readonly" && len(args) == 1:
			return args[0], nil
		}
		return nil, r.unexpected("%s with %d arguments", word, len(args))
	case "":
		return nil, r.unexpected("want a type")
	}
	switch {
	case word[0] == '\'' || word[0] == '"':
		text, err := unquote(word)
		return node{"type": "string", "const": text}, err
	case unicode.IsDigit(rune(word[0])):
		return node{"type": numeric}, nil
	case !wordy(rune(word[0])):
		r.at--
		return nil, r.unexpected("no type that this reader knows")
	}
	return r.reference(word)
}

func (r *tsReader) arguments() (args []node, err error) {
	if err := r.want("<"); err != nil {
		return nil, err
	}
	for {
		s, err := r.union()
		if err != nil {
			return nil, err
		}
		args = append(args, s)
		if !r.skip(",") {
			return args, r.want(">")
		}
	}
}

// reference reads A.B.C. What comes from files that are not read can be anything.
func (r *tsReader) reference(first string) (node, error) {
	way := []string{first}
	for r.skip(".") {
		name, err := r.name()
		if err != nil {
			return nil, err
		}
		way = append(way, name)
	}
	if r.peek() == "<" {
		args, err := r.arguments()
		if err != nil {
			return nil, err
		}
		if way[len(way)-1] == "APIPromise" && len(args) == 1 {
			return args[0], nil
		}
		return nil, r.unexpected("the type %s has arguments", strings.Join(way, "."))
	}
	s := node{}
	switch {
	case way[0] == "Core" || r.foreign[way[0]]:
	case r.modules[way[0]]:
		r.d.refs = append(r.d.refs, reference{at: s, name: way[1:]})
	default:
		r.d.refs = append(r.d.refs, reference{at: s, scope: slices.Clone(r.scope), name: way})
	}
	return s, nil
}

// class reads the methods that return a promise. Anything else of a class is skipped.
func (r *tsReader) class() error {
	class := r.next()
	for r.at < len(r.tokens) && r.peek() != "{" {
		r.at++
	}
	if err := r.want("{"); err != nil {
		return err
	}
	for !r.skip("}") {
		if r.at >= len(r.tokens) {
			return r.unexpected("want the end of the class %s", class)
		}
		start := r.at
		name, m, err := r.method()
		if err != nil {
			r.at = start
			r.member()
			if r.promises(start) {
				return err
			}
			continue
		}
		if _, overload := r.d.methods[class+"."+name]; !overload {
			r.d.methods[class+"."+name] = m
		}
	}
	return nil
}

func (r *tsReader) method() (name string, m method, err error) {
	if name, err = r.name(); err != nil {
		return "", m, err
	}
	if err := r.want("("); err != nil {
		return "", m, err
	}
	refs := len(r.d.refs)
	defer func() {
		if err != nil {
			r.d.refs = r.d.refs[:refs]
		}
	}()
	for !r.skip(")") {
		p := param{}
		if p.name, err = r.name(); err != nil {
			return "", m, err
		}
		p.optional = r.skip("?")
		if err := r.want(":"); err != nil {
			return "", m, err
		}
		if p.schema, err = r.union(); err != nil {
			return "", m, err
		}
		m.params = append(m.params, p)
		r.skip(",")
	}
	if err := r.want(":"); err != nil {
		return "", m, err
	}
	start := r.at
	if m.result, err = r.union(); err != nil {
		return "", m, err
	}
	if !r.promises(start) {
		return "", m, r.unexpected("no promise")
	}
	return name, m, r.want(";")
}

// promises reports whether what was read from start on has an answer of the API.
func (r *tsReader) promises(start int) bool {
	return slices.ContainsFunc(r.tokens[start:min(r.at, len(r.tokens))], func(t tsToken) bool { return t.text == "APIPromise" })
}

// member skips up to the semicolon of a member, over braces.
func (r *tsReader) member() {
	for depth := 0; r.at < len(r.tokens); r.at++ {
		switch r.peek() {
		case "{", "(", "[":
			depth++
		case "}", ")", "]":
			if depth == 0 {
				return
			}
			depth--
		case ";":
			if depth == 0 {
				r.at++
				return
			}
		}
	}
}
