# Checks that read the code and do not run it.

STATICCHECK=honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK=golang.org/x/vuln/cmd/govulncheck@v1.9.0

install_tools() {
  go version
  GOBIN=$work/bin go install "$STATICCHECK"
  GOBIN=$work/bin go install "$GOVULNCHECK"
  go build -C internal/tools -o "$work/bin/" ./...
}

check_format() {
  local unformatted
  unformatted=$(files '*.go' | xargs -r gofmt -l)
  if [[ -n $unformatted ]]; then
    fail "not formatted, run gofmt -w:"$'\n'"$unformatted"
  fi
}

check_changelog() {
  grep -qE '^## \[?Unreleased\]?' CHANGELOG.md || fail 'CHANGELOG.md has no section "Unreleased"'
}

# check_modules holds the workspace together and the modules apart.
check_modules() {
  local m listed
  listed=$(GOWORK=$root/go.work go list -m -f '{{.Dir}}')
  for m in $(modules); do
    if ! grep -qxF "$(cd "$m" && pwd -P)" <<<"$listed"; then
      fail "go.work does not have $m: run go work use ./$m"
    fi
  done
  for m in $(modules); do
    if [[ $m != . ]]; then (cd "$m" && forbid_internal); fi
  done
  # What go.work.sum lacks is written to it here, and found by the last step.
  GOWORK=$root/go.work in_modules go build -o /dev/null ./...
}

# forbid_internal fails where a nested module imports what is internal to the
# root. It would compile here, and break its users, who mix versions.
forbid_internal() {
  local own nested
  own=$(go list -m)
  nested=$(cd "$root" && modules | sed -n 's|^internal/| imports github.com/reducto-go/reducto/&|p')
  if go list -test -f '{{range .Imports}}{{$.ImportPath}} imports {{.}}{{"\n"}}{{end}}' ./... |
    grep -F ' imports github.com/reducto-go/reducto/internal/' | grep -vF "$nested"; then
    fail "$own may not import what is internal to the root module"
  fi
}

check_tidy() { in_modules go mod tidy -diff; }

check_build() { in_modules go build -o /dev/null ./...; }

check_vet() { in_modules go vet ./...; }

check_staticcheck() { in_modules "$work/bin/staticcheck" ./...; }

check_cross() {
  local target
  for target in windows/amd64 darwin/arm64 linux/arm64; do
    printf '%s: ' "$target"
    GOOS=${target%/*} GOARCH=${target#*/} CGO_ENABLED=0 in_modules go build -o /dev/null ./... | xargs
  done
}

# check_import builds a program of another module that imports every public
# package of the root, by the root's go.mod alone.
check_import() {
  local packages
  packages=$(go list -f '{{if ne .Name "main"}}{{.ImportPath}}{{end}}' ./... | grep -v /internal/)
  mkdir "$work/consumer"
  {
    printf 'package main\n\n'
    sed 's|.*|import _ "&"|' <<<"$packages"
    printf '\nfunc main() {}\n'
  } >"$work/consumer/main.go"
  (
    cd "$work/consumer"
    go mod init example.com/consumer 2>/dev/null
    go mod edit -require=github.com/reducto-go/reducto@v0.0.0 -replace=github.com/reducto-go/reducto="$root"
    go mod tidy
    go vet ./...
    go build -o program .
    ./program
  )
  printf '%s\n' "$packages"
}

# check_vulnerabilities fails for whatever govulncheck finds or stumbles on, but
# not because this machine cannot reach the database.
check_vulnerabilities() {
  local m out status
  for m in $(modules); do
    status=0
    out=$(cd "$m" && timeout 300 "$work/bin/govulncheck" ./... 2>&1) || status=$?
    if [[ $status == 1 && $out == *'govulncheck: fetching vulnerabilities: Get "http'* ]]; then
      echo 'govulncheck: not run, database unreachable'
      return 0
    fi
    printf '%s: %s\n' "$m" "$out"
    if [[ $status != 0 ]]; then fail "govulncheck failed in $m (exit code $status)"; fi
  done
}

check_unchanged() {
  if [[ $(tree_state) != "$1" ]]; then
    git status --porcelain --untracked-files=all
    fail 'this run has changed the tree: commit what is generated, or ignore it'
  fi
}
