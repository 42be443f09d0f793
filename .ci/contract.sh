# The library against the API's own documents and the official Node SDK's types. See
# internal/contract.

# run_contract compares it with every document beside the repository and with the SDK
# that conformance/ installs, and prints how much was compared.
run_contract() {
  local documents=() file
  for file in ../shared/openapi/*.{json,yml,yaml}; do
    if [[ -e $file ]]; then documents+=("$file"); fi
  done
  if ((${#documents[@]} == 0)); then
    fail "no OpenAPI documents in $(cd .. && pwd)/shared/openapi: CI compares the library with them"
  fi
  local sdk=conformance/node_modules/reductoai
  if [[ ! -d $sdk ]]; then fail "no $sdk: run npm ci --ignore-scripts in conformance/"; fi
  GOWORK=$root/go.work go run ./internal/contract "${documents[@]}" "$sdk" ||
    fail 'the library and the API differ: see the lines above; a difference on purpose gets a line in internal/contract/reasons.txt'
}
