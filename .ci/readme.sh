# Commands that the README tells its readers to run, run as they are printed
# there. A block is found by the comment in the line before its fence:
#
#   <!-- ci:test -->
#   ```sh
#   go test ./...
#   ```

run_readme_block() {
  local script=$work/readme-$1.sh
  if [[ ! -e README.md ]]; then fail 'there is no README.md'; fi
  awk -v mark="<!-- ci:$1 -->" '
    !found { found = ($0 == mark); next }
    /^```/ { if (inside) exit; inside = 1; next }
    inside { print }
  ' README.md >"$script"
  if [[ ! -s $script ]]; then fail "README.md has no block marked <!-- ci:$1 -->"; fi
  sed 's/^/$ /' "$script"
  # As a reader has it: in the workspace.
  env -u GOWORK timeout 600 bash -euo pipefail "$script"
}
