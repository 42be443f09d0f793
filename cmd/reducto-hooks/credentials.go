package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

// connect returns a client with the key from the environment, or from the file of
// Reducto's own command.
func connect(u *ui) (*reducto.Client, error) {
	client, _, err := connectWithKey(u)
	return client, err
}

func connectWithKey(u *ui) (_ *reducto.Client, key string, err error) {
	key = strings.TrimSpace(os.Getenv(reducto.EnvAPIKey))
	if key == "" {
		if key, err = savedKey(u); err != nil {
			return nil, "", err
		}
	}
	client, err := reducto.NewClient(reducto.WithUserAgent("reducto-hooks"), reducto.WithAPIKey(key))
	return client, key, err
}

// savedKey returns the key that "reducto login" saved.
func savedKey(u *ui) (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", usageError("no API key: set %s", reducto.EnvAPIKey)
	}
	path := filepath.Join(home, ".reducto", "config.yaml")
	text, err := readSecret(u, path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", usageError("no API key: set %s, or run reducto login, which saves it in %s", reducto.EnvAPIKey, path)
	}
	if err != nil {
		return "", usageError("%w", err)
	}
	keys, err := keysIn(text)
	switch {
	case err != nil:
		return "", usageError("%s: %w: run reducto login, or set %s", path, err, reducto.EnvAPIKey)
	case len(keys) == 0:
		return "", usageError("%s has no api_key: run reducto login, or set %s", path, reducto.EnvAPIKey)
	case len(keys) > 1:
		u.note("%s has %d different keys: the first one is used; set %s to choose", path, len(keys), reducto.EnvAPIKey)
	}
	return keys[0], nil
}

// keysIn returns the different values of api_key in a configuration of Reducto's command.
// Its layout is not documented. Files have
//
//	credentials: {<program>: {api_key: <key>}}
//
// and older ones a single api_key at the top. keysIn finds both, nested ones first. Its
// error does not repeat the text.
func keysIn(text string) ([]string, error) {
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(text), &root); err != nil {
		return nil, errors.New("the file is not YAML")
	}
	var keys []string
	var find func(n *yaml.Node)
	find = func(n *yaml.Node) {
		for _, child := range n.Content {
			find(child)
		}
		if n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			name, value := n.Content[i].Value, n.Content[i+1]
			key := strings.TrimSpace(value.Value)
			if name == "api_key" && value.Kind == yaml.ScalarNode && value.Tag != "!!null" && key != "" && !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	find(&root)
	return keys, nil
}

// maxSecretFile bounds a file with a key or a secret.
const maxSecretFile = 64 << 10

// readSecret returns the text of a file without white space at its ends. It warns if
// others can read the file.
func readSecret(u *ui, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		u.note("others can read %s: run chmod 600 %s", path, path)
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	switch {
	case err != nil:
		return "", err
	case len(raw) > maxSecretFile:
		return "", fmt.Errorf("%s is larger than %d KiB: it is no file with a key", path, maxSecretFile>>10)
	}
	return strings.TrimSpace(string(raw)), nil
}

// signing says how deliveries are signed. Secrets are in the environment or in files,
// because others can see the arguments of a process.
type signing struct {
	SecretFile string `type:"path" placeholder:"FILE" help:"File with the webhook secret (default: WEBHOOK_SECRET)."`
	KeysFile   string `type:"path" placeholder:"FILE" help:"File with signing keys, id=secret, the first one signs (default: WEBHOOK_KEYS)."`
	SvixFile   string `type:"path" placeholder:"FILE" help:"File with the Svix secret, whsec_… (default: WEBHOOK_SVIX_SECRET)."`
}

// verifier returns what signs deliveries, nil if nothing is configured.
func (s signing) verifier(u *ui) (webhook.Verifier, error) {
	sources := []struct {
		file, env string
		make      func(text string) (webhook.Verifier, error)
	}{
		{s.SecretFile, "WEBHOOK_SECRET", func(text string) (webhook.Verifier, error) { return webhook.NewSecret(text) }},
		{s.KeysFile, "WEBHOOK_KEYS", newSigner},
		{s.SvixFile, "WEBHOOK_SVIX_SECRET", func(text string) (webhook.Verifier, error) { return webhook.NewSvix(text) }},
	}
	var found []string
	var made webhook.Verifier
	use := func(name, text string, make func(string) (webhook.Verifier, error)) (err error) {
		found = append(found, name)
		if made, err = make(text); err != nil {
			return usageError("%s: %w", name, err)
		}
		return nil
	}
	for _, source := range sources {
		if source.file == "" {
			continue
		}
		text, err := readSecret(u, source.file)
		if err != nil {
			return nil, usageError("%w", err)
		}
		if err := use(source.file, text, source.make); err != nil {
			return nil, err
		}
	}
	if len(found) == 0 { // a file is more explicit than the environment
		for _, source := range sources {
			if text := os.Getenv(source.env); text != "" {
				if err := use(source.env, text, source.make); err != nil {
					return nil, err
				}
			}
		}
	}
	if len(found) > 1 {
		return nil, usageError("%s are set: a delivery has one signature, so leave one", strings.Join(found, " and "))
	}
	return made, nil
}

// newSigner reads keys as id=secret, separated by commas or lines. Its error does not
// repeat them.
func newSigner(text string) (webhook.Verifier, error) {
	var keys []webhook.Key
	split := func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }
	for i, part := range strings.FieldsFunc(text, split) {
		id, secret, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return nil, fmt.Errorf("key %d is not of the form id=secret", i+1)
		}
		keys = append(keys, webhook.Key{ID: id, Secret: []byte(secret)})
	}
	return webhook.NewSigner(keys)
}
