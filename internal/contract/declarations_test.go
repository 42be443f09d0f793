package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Two files with everything that the reader knows.
var teaFiles = map[string]string{
	"tea.d.ts": `
import { APIResource } from "../resource.js";
import * as Core from '../core.js';
import * as Leaves from "./leaf.js";
/** A class; its comment has { braces }. */
export declare class Tea extends APIResource {
    private last;
    size: { [key: string]: number };
    constructor(client: Core.Client<string>);
    /** Makes tea. */
    run(body: TeaParams, options?: Core.RequestOptions): Core.APIPromise<Leaves.Tea>;
    run(options?: Core.RequestOptions): Core.APIPromise<string>;
    static of(a: string): Tea;
}
export interface TeaParams {
    /**
     * A name with a semicolon; and more.
     */
    name: string;
    readonly 'x-hyphen'?: 'a-b' | "c'd" | 'e\'f' | null; // of the line
    cups: Array<TeaParams.Cup>;
    pots?: string[][] | (number | boolean)[];
    any?: unknown;
    sugar?: Record<string, number> | Record<'brown' | 'white', Array<string>>;
    extras?: {
        [key: string]: unknown;
    } | null;
    inline: { a?: 7, b: true };
    kind?: Kind;
    upload?: Core.Uploadable;
}
export declare namespace TeaParams {
    interface Cup {
        size: Cup.Size;
        tea?: Leaves.Tea.Leaf;
        params?: Readonly<TeaParams>;
    }
    namespace Cup {
        interface Size {
            height: number | null;
        }
    }
}
export type Kind = | 'green' | 'black';
export declare namespace Tea {
    export { type TeaParams as TeaParams, };
}
export * from "./leaf.js";
//# sourceMappingURL=tea.d.ts.map`,
	"leaf.d.ts": `export interface Tea { leaves: Array<Tea.Leaf>; } export declare namespace Tea { interface Leaf { colour: string; [k: string]: unknown; } }`,
}

func TestDeclarationsAreRead(t *testing.T) {
	t.Parallel()
	d := newDeclarations()
	for file, text := range teaFiles {
		require.NoError(t, d.read(file, text))
	}
	require.NoError(t, d.resolve())
	assert.Equal(t, map[string]bool{"Kind": true}, d.aliases)
	for name, want := range map[string]string{
		"TeaParams": `{"type":"object","required":["name","cups","inline"],"properties":{
			"name":{"type":"string"},
			"x-hyphen":{"anyOf":[{"type":"string","enum":["a-b","c'd","e'f"]},{"type":"null"}]},
			"cups":{"type":"array","items":{"$ref":"#/components/schemas/TeaParams.Cup"}},
			"pots":{"anyOf":[{"type":"array","items":{"type":"array","items":{"type":"string"}}},{"type":"array","items":{"anyOf":[{"type":"numeric"},{"type":"boolean"}]}}]},
			"any":{},
			"sugar":{"anyOf":[{"type":"object","additionalProperties":{"type":"numeric"}},
				{"type":"object","propertyNames":{"type":"string","enum":["brown","white"]},"additionalProperties":{"type":"array","items":{"type":"string"}}}]},
			"extras":{"anyOf":[{"type":"object","additionalProperties":{}},{"type":"null"}]},
			"inline":{"type":"object","required":["b"],"properties":{"a":{"type":"numeric"},"b":{"type":"boolean"}}},
			"kind":{"anyOf":[{"type":"string","enum":["green","black"]}]},
			"upload":{}}}`,
		"TeaParams.Cup": `{"type":"object","required":["size"],"properties":{"size":{"$ref":"#/components/schemas/TeaParams.Cup.Size"},
			"tea":{"$ref":"#/components/schemas/Tea.Leaf"},"params":{"$ref":"#/components/schemas/TeaParams"}}}`,
		"TeaParams.Cup.Size": `{"type":"object","required":["height"],"properties":{"height":{"anyOf":[{"type":"numeric"},{"type":"null"}]}}}`,
		"Tea":                `{"type":"object","required":["leaves"],"properties":{"leaves":{"type":"array","items":{"$ref":"#/components/schemas/Tea.Leaf"}}}}`,
		"Tea.Leaf":           `{"type":"object","required":["colour"],"properties":{"colour":{"type":"string"}},"additionalProperties":{}}`,
	} {
		assert.Equal(t, value(t, want), any(d.types[name]), name)
	}
	assert.Equal(t, map[string]method{"Tea.run": {
		params: []param{{name: "body", schema: ref("TeaParams")}, {name: "options", schema: node{}, optional: true}}, result: ref("Tea"),
	}}, d.methods)
}

func TestDeclarationsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"interface A {":                            "want a name",
		"interface A { a }":                        `want ":"`,
		"interface A { a: }":                       "no type that this reader knows",
		"interface A { a: string b: string }":      "want the end of the member a",
		"interface A extends B { a: string }":      "want the members of the interface A",
		"interface A { a: Array<string, string> }": "Array with 2 arguments",
		"interface A { a: Array<string }":          `want ">"`,
		"interface A { a: Map<string, string> }":   "the type Map has arguments",
		"interface A { a: keyof }":                 "no declaration of the type keyof",
		"interface A { a: B }":                     `no declaration of the type B`,
		"interface A { a: 'b }":                    "line 1: a string without an end",
		"\n/* a":                                   "line 2: a comment without an end",
		"interface A {} interface A {}":            "the type A is declared twice",
		"type A string;":                           `want "="`,
		"function f(): void;":                      "no declaration that this reader knows",
		"namespace A { interface B {}":             `want "}"`,
		"class A { b: string;":                     "want the end of the class A",
		"type A = (string;":                        `want ")"`,
		"type A = string[;":                        `want "]"`,
		"type A = ":                                "want a type",
		"class A { b<T>(c: T): APIPromise<T>; }":   `at "<": want "("`,
		"class A { b(): Core.APIPromise<B>; }":     "no declaration of the type B",
	} {
		d := newDeclarations()
		err := d.read("a.d.ts", text)
		if err == nil {
			err = d.resolve()
		} else {
			assert.ErrorContains(t, err, "a.d.ts: ", text)
		}
		assert.ErrorContains(t, err, want, text)
	}
}

// sdkFiles are the declarations of the official Node SDK.
func sdkFiles(t testing.TB) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(sdkPath(t), "resources", "*.d.ts"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	files := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(filepath.Clean(path))
		require.NoError(t, err)
		files[filepath.Base(path)] = string(text)
	}
	return files
}

// Each change of the declarations makes the check fail, with lines that name it and no
// others.
func TestChangesOfTheSDKAreReported(t *testing.T) {
	t.Parallel()
	files := sdkFiles(t)
	for name, test := range map[string]struct {
		file, old, changed string
		want               []string
	}{
		"nothing": {"parse.d.ts", "merge_tables", "merge_tables", nil},
		"a type": {"parse.d.ts", "merge_tables?: boolean", "merge_tables?: string", []string{
			"missing request field Formatting.merge_tables as string", "extra request field Formatting.merge_tables as boolean",
		}},
		"a list": {"classify.d.ts", "criteria: Array<string>", "criteria: Array<Array<string>>", []string{
			"missing request field ClassificationCategory.criteria[] as array", "extra request field ClassificationCategory.criteria[] as string",
		}},
		"a map": {"shared.d.ts", "[key: string]: unknown;", "[key: string]: string;", []string{
			"extra response field ParseBlock.extra{} as anything",
		}},
		"a request field is required": {"parse.d.ts", "merge_tables?: boolean", "merge_tables: boolean", []string{
			"missing requirement of request field Formatting.merge_tables",
		}},
		"a response field is optional": {"edit.d.ts", "height: number", "height?: number", []string{
			"extra requirement of request field BoundingBox.height", "extra requirement of response field BoundingBox.height",
		}},
		"a response field can be null": {"split.d.ts", "num_pages: number", "num_pages: number | null", []string{
			"missing response field ParseUsage.num_pages as null",
		}},
		"an enum value has a hyphen": {"parse.d.ts", "'change_tracking'", "'change-tracking'", []string{
			"missing enum value Formatting.include=change-tracking", "extra enum value FormattingInclude=change_tracking",
		}},
		"an enum value is gone": {"edit.d.ts", "'text' | 'checkbox'", "'checkbox'", []string{"extra enum value WidgetType=text"}},
		"a literal": {"shared.d.ts", "scope: 'table'", "scope: 'sheet'", []string{
			"missing enum value TableAgentic.scope=sheet", "extra enum value AgenticScopeName=table",
		}},
		"a member is new": {"parse.d.ts", "merge_tables?: boolean", "merge_tables?: boolean; join?: boolean", []string{
			"missing request field Formatting.join",
		}},
		"a member is gone": {"parse.d.ts", "merge_tables?: boolean;", "", []string{"extra request field Formatting.merge_tables"}},
		"an arm is new": {"job.d.ts", "progress?: number | null", "progress?: number | string | null", []string{
			"missing response field AsyncJobResponse.progress as string",
		}},
		"another object": {"shared.d.ts", "ocr?: FullResult.Ocr | null", "ocr?: FullResult.Ocr | EditAPI.BoundingBox | null", []string{
			"missing response field FullResult.ocr as BoundingBox",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, files[test.file], test.old)
			changed := map[string]string{}
			for file, text := range files {
				changed[file] = text
			}
			changed[test.file] = strings.Replace(files[test.file], test.old, test.changed, 1)
			d, err := readSDK("reductoai", "0.16.0", changed)
			require.NoError(t, err)
			got := lines(t, d)
			require.Len(t, got, len(test.want), "%q", got)
			for _, want := range test.want {
				assert.Contains(t, strings.Join(got, "\n"), want)
			}
		})
	}
}

// What the tables say of the SDK has to be true.
func TestSDKTablesAreChecked(t *testing.T) {
	t.Parallel()
	files := sdkFiles(t)
	for want, change := range map[string][3]string{
		"does not say which endpoint the method Parse.walk calls": {"parse.d.ts", "runJob(", "walk("},
		"has the type Upload, which is not declared":              {"shared.d.ts", "interface Upload {", "interface Load {"},
		"AsyncParseConfig has several types in the SDK":           {"parse.d.ts", "queue_priority?: 'auto' | 'batch';", ""},
	} {
		changed := map[string]string{}
		for file, text := range files {
			text = strings.ReplaceAll(text, "Shared.Upload", map[bool]string{true: "Shared.Load", false: "Shared.Upload"}[strings.Contains(want, "Upload")])
			changed[file] = text
		}
		require.Contains(t, changed[change[0]], change[1])
		changed[change[0]] = strings.Replace(changed[change[0]], change[1], change[2], 1)
		_, err := readSDK("reductoai", "0.16.0", changed)
		assert.ErrorContains(t, err, want)
	}
	_, err := readSDK("reductoai", "0.16.0", nil)
	assert.ErrorContains(t, err, "which is not declared")
	_, err = load(t.TempDir())
	assert.ErrorContains(t, err, "package.json")
}

var (
	jsClass  = regexp.MustCompile(`class (\w+) extends`)
	jsMethod = regexp.MustCompile(`^    (\w+)\(.*\) \{$`)
	jsCall   = regexp.MustCompile("_client\\.(\\w+)\\(['`]([^'`]+)")
)

// The endpoints in sdk.go are those that the SDK's code calls.
func TestSDKEndpointsAreThoseOfItsCode(t *testing.T) {
	t.Parallel()
	found := map[string]string{"Reducto.upload": "POST /upload", "Reducto.apiVersion": "GET /version"}
	paths, err := filepath.Glob(filepath.Join(sdkPath(t), "resources", "*.js"))
	require.NoError(t, err)
	for _, path := range paths {
		text, err := os.ReadFile(filepath.Clean(path))
		require.NoError(t, err)
		class := jsClass.FindStringSubmatch(string(text))
		method := ""
		for line := range strings.Lines(string(text)) {
			if m := jsMethod.FindStringSubmatch(strings.TrimSuffix(line, "\n")); m != nil {
				method = m[1]
			}
			if call := jsCall.FindStringSubmatch(line); call != nil {
				found[class[1]+"."+method] = strings.ToUpper(call[1]) + " " + strings.ReplaceAll(call[2], "${jobId}", "{job_id}")
			}
		}
	}
	assert.Equal(t, sdkEndpoints, found)
}
