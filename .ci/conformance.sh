# The programs that conformance/ runs beside the library: packages of npm, as
# package-lock.json has them. Nothing of theirs is run while they are installed.

NODE_MIN=20

# install_npm tries for as long as a slow registry needs; conformance/.npmrc says
# how often. What the cache has is not asked for again.
install_npm() {
  command -v node >/dev/null && command -v npm >/dev/null || fail "there is no node or no npm: install Node $NODE_MIN"
  local version
  version=$(node --version) # v20.1.2
  version=${version#v}
  if ((${version%%.*} < NODE_MIN)); then fail "Node $version is too old: install Node $NODE_MIN"; fi
  if grep -q '"resolved"' conformance/package-lock.json; then
    fail 'package-lock.json has download addresses: write it with the settings of conformance/.npmrc'
  fi
  printf 'node %s, npm %s\n' "$version" "$(npm --version)"
  (cd conformance && timeout 900 npm ci --ignore-scripts)
}
