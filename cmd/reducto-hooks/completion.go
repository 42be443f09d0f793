package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// The scripts ask the program itself for candidates, so they need no change when it does.
// The libraries for kong's completion are not maintained.

// completeCommand is the hidden command that the scripts call, with the words before
// the cursor.
const completeCommand = "__complete"

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: ${enum}."`
}

// Help implements kong.HelpProvider.
func (completionCmd) Help() string {
	return `Examples, each for the start file of the shell:

    source <(reducto-hooks completion bash)
    source <(reducto-hooks completion zsh)
    reducto-hooks completion fish | source`
}

func (c *completionCmd) Run(u *ui) error {
	if u.json {
		return u.object(map[string]string{"shell": c.Shell, "script": scripts[c.Shell]})
	}
	_, err := fmt.Print(scripts[c.Shell])
	return err
}

var scripts = map[string]string{
	"bash": `_reducto_hooks() {
  local IFS=$'\n'
  COMPREPLY=($("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
}
complete -o default -F _reducto_hooks reducto-hooks
`,
	"zsh": `#compdef reducto-hooks
_reducto_hooks() {
  local -a candidates
  candidates=("${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null | sed 's/:/\\:/g; s/	/:/')}")
  if [[ -n "${candidates[1]}" ]]; then
    _describe 'reducto-hooks' candidates
  else
    _files
  fi
}
if [[ "${funcstack[1]}" == _reducto_hooks ]]; then
  _reducto_hooks
else
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
  compdef _reducto_hooks reducto-hooks
fi
`,
	"fish": `function __reducto_hooks
  set -l words (commandline -opc) (commandline -ct)
  set -l candidates ($words[1] __complete $words[2..-1] 2>/dev/null)
  if test (count $candidates) -gt 0
    printf '%s\n' $candidates
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c reducto-hooks -f -a '(__reducto_hooks)'
`,
}

// candidate is a word that can stand at the cursor.
type candidate struct{ word, help string }

func printCandidates(w io.Writer, list []candidate) {
	for _, c := range list {
		fmt.Fprintf(w, "%s\t%s\n", c.word, strings.Join(strings.Fields(c.help), " "))
	}
}

// complete returns the candidates for the last word. None means that files can stand there.
func complete(node *kong.Node, words []string) []candidate {
	if len(words) == 0 {
		words = []string{""}
	}
	current, position := words[len(words)-1], 0
	var pending *kong.Flag // its value is expected
	for _, w := range words[:len(words)-1] {
		switch {
		case pending != nil && w != "=": // bash splits --state=d in three
			pending = nil
		case pending != nil:
		case strings.HasPrefix(w, "-"):
			if f := flagOf(node, w); f != nil && !f.IsBool() && !strings.Contains(w, "=") {
				pending = f
			}
		default:
			if child := childOf(node, w); child != nil {
				node, position = child, 0
			} else {
				position++
			}
		}
	}
	var list []candidate
	offer := func(word, help string) {
		if strings.HasPrefix(word, current) && word != "" {
			list = append(list, candidate{word, help})
		}
	}
	before := "" // the beginning of a word such as --state=d
	if name, _, ok := strings.Cut(current, "="); ok && pending == nil {
		pending, before = flagOf(node, current), name+"="
	} else if current == "=" {
		current = ""
	}
	switch {
	case pending != nil:
		for _, value := range enumOf(pending.Value) {
			offer(before+value, pending.Help)
		}
	case strings.HasPrefix(current, "-"):
		for _, level := range node.AllFlags(true) {
			for _, f := range level {
				offer("--"+f.Name, f.Help)
			}
		}
	default:
		for _, child := range node.Children {
			offer(child.Name, child.Help)
		}
		if position < len(node.Positional) {
			for _, value := range enumOf(node.Positional[position]) {
				offer(value, "")
			}
		}
	}
	return list
}

// enumOf returns the values that v can have, none if they are not limited.
func enumOf(v *kong.Value) []string {
	if v.Enum == "" {
		return nil
	}
	return v.EnumSlice()
}

func childOf(node *kong.Node, name string) *kong.Node {
	for _, c := range node.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

func flagOf(node *kong.Node, word string) *kong.Flag {
	name, _, _ := strings.Cut(word, "=")
	for _, level := range node.AllFlags(false) {
		for _, f := range level {
			if name == "--"+f.Name || f.Short != 0 && name == "-"+string(f.Short) {
				return f
			}
		}
	}
	return nil
}
