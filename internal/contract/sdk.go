package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// sdkEndpoints are the endpoints that the methods of the Node SDK call. The
// declarations do not name them.
var sdkEndpoints = map[string]string{
	"Parse.run": "POST /parse", "Parse.runJob": "POST /parse_async",
	"Extract.run": "POST /extract", "Extract.runJob": "POST /extract_async",
	"Split.run": "POST /split", "Split.runJob": "POST /split_async",
	"Edit.run": "POST /edit", "Edit.runJob": "POST /edit_async",
	"Pipeline.run": "POST /pipeline", "Pipeline.runJob": "POST /pipeline_async",
	"Classify.run": "POST /classify",
	"Job.get":      "GET /job/{job_id}", "Job.getAll": "GET /jobs", "Job.cancel": "POST /cancel/{job_id}",
	"Webhook.run": "POST /configure_webhook", "Reducto.upload": "POST /upload", "Reducto.apiVersion": "GET /version",
}

// sdkNames are the SDK's types that the API's documents call otherwise. Two types
// with one name have to be the same.
var sdkNames = map[string]string{
	"ParseRunParams.SyncParseConfig": "SyncParseConfig", "ParseRunParams.AsyncParseConfig": "AsyncParseConfig", "ParseRunJobParams": "AsyncParseConfig",
	"ExtractRunParams.SyncExtractConfig": "SyncExtractConfig", "ExtractRunParams.AsyncExtractConfig": "AsyncExtractConfig",
	"ExtractRunJobParams": "AsyncExtractConfig",
	"SplitRunParams":      "SyncSplitConfig", "SplitRunJobParams": "config__v3__AsyncSplitConfig",
	"EditRunParams": "EditConfig", "EditRunJobParams": "AsyncEditConfig",
	"PipelineRunParams": "V3PipelineConfig", "PipelineRunJobParams": "V3AsyncPipelineConfig",
	"ClassifyRunParams": "ClassifyConfig", "ClassifyRunParams.ClassificationSchema": "ClassificationCategory",
	"AsyncConfigV3":                         "config__v3__AsyncConfig",
	"SplitLargeTables.SplitLargeTableSizes": "SplitLargeTableSizes",
	"ExtractSettings.Citations":             "Citations",

	"Upload":                          "UploadResponse",
	"JobGetResponse.AsyncJobResponse": "AsyncJobResponse", "JobGetResponse.EnhancedAsyncJobResponse": "EnhancedAsyncJobResponse",
	"JobGetAllResponse": "JobsResponse", "JobGetAllResponse.Job": "SingleJob",
	"ParseResponse.FullResult": "FullResult", "ParseResponse.URLResult": "UrlResult",
	"ParseResponse.FullResult.Chunk": "ParseChunk", "ParseResponse.FullResult.Chunk.Block": "ParseBlock",
	"ParseResponse.FullResult.Chunk.Block.GranularConfidence": "GranularConfidence",
	"ParseResponse.FullResult.Ocr":                            "OCRResult", "ParseResponse.FullResult.Ocr.Line": "OCRLine", "ParseResponse.FullResult.Ocr.Word": "OCRWord",
	"V3Extract":               "V3ExtractResponse",
	"PipelineResponse.Result": "PipelineResult", "PipelineResponse.Result.UnionMember0": "ExtractSplitResponse",
	"SplitResponse.SplitResult": "SplitResult", "SplitResponse.SplitResult.Split": "Split", "SplitResponse.SplitResult.Split.Partition": "SplitPartition",
	"SplitResponse.DeepSplitResult": "DeepSplitResult", "SplitResponse.DeepSplitResult.Split": "DeepSplit",
	"SplitResponse.DeepSplitResult.Split.Partition": "DeepSplitPartition",
	"ClassifyResponse.Result":                       "ClassifyResponseCategory", "ClassifyResponse.ResponseConfidence": "ResponseConfidence",
	"ClassifyResponse.ResponseConfidence.Category":                    "CategoryConfidence",
	"ClassifyResponse.ResponseConfidence.Category.CriteriaConfidence": "CriteriaConfidence",
}

// loadSDK makes a document of the declarations of the Node SDK in a directory, which
// is its package as npm installs it, beside the package typescript.
func loadSDK(dir string) (*document, error) {
	raw, err := os.ReadFile(filepath.Join(dir, "package.json"))
	if err != nil {
		return nil, err
	}
	var about struct{ Name, Version string }
	if err := json.Unmarshal(raw, &about); err != nil {
		return nil, err
	}
	if raw, err = declare(filepath.Join(dir, "..", "typescript"), dir); err != nil {
		return nil, err
	}
	return readSDK(about.Name, about.Version, raw)
}

// readSDK makes a document of the output of declarations.mjs.
func readSDK(name, version string, raw []byte) (*document, error) {
	d := &declarations{}
	if err := json.Unmarshal(raw, d); err != nil {
		return nil, fmt.Errorf("the output of declarations.mjs: %w", err)
	}
	return d.document(name, nodeScope+" v"+version)
}

// document has the declarations in the form of an OpenAPI document.
func (d *declarations) document(name, version string) (*document, error) {
	d.upload()
	paths := node{}
	for _, called := range slices.Sorted(maps.Keys(d.Methods)) {
		m := d.Methods[called]
		endpoint, ok := sdkEndpoints[called]
		if !ok {
			return nil, fmt.Errorf("sdk.go does not say which endpoint the method %s calls", called)
		}
		d.addOperation(paths, endpoint, m)
	}
	for called := range sdkEndpoints {
		if _, ok := d.Methods[called]; !ok {
			return nil, fmt.Errorf("sdk.go has the method %s, which is not declared", called)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(sdkNames)) {
		if _, ok := d.Types[path]; !ok {
			return nil, fmt.Errorf("sdk.go has the type %s, which is not declared", path)
		}
	}
	schemas := node{}
	for _, path := range slices.Sorted(maps.Keys(d.Types)) {
		s, name := d.Types[path], path
		rename(s)
		if other, ok := sdkNames[path]; ok {
			name = other
		}
		if twin, twice := schemas[name]; twice {
			rename(twin)
			if !reflect.DeepEqual(twin, any(s)) {
				return nil, fmt.Errorf("%s has several types in the SDK that differ, one is %s", name, path)
			}
		}
		schemas[name] = s
	}
	rename(paths)
	return &document{name: name, version: version, root: node{
		"openapi": "3.1.0", "info": node{"version": version}, "paths": paths, "components": node{"schemas": schemas},
	}}, nil
}

func (d *declarations) addOperation(paths node, endpoint string, m method) {
	verb, path, _ := strings.Cut(endpoint, " ")
	op := node{"responses": node{"200": content(m.Result)}}
	for _, p := range m.Params {
		switch p.Name {
		case "body":
			op["requestBody"] = content(p.Schema)
		case "jobId":
			op["parameters"] = append(list(op["parameters"]), node{"name": "job_id", "in": "path", "schema": p.Schema})
		case "query":
			ref, _ := p.Schema["$ref"].(string)
			properties, _ := d.Types[strings.TrimPrefix(ref, schemaPrefix)]["properties"].(node)
			for _, name := range slices.Sorted(maps.Keys(properties)) {
				op["parameters"] = append(list(op["parameters"]), node{"name": name, "in": "query", "schema": properties[name]})
			}
		}
	}
	item, ok := paths[path].(node)
	if !ok {
		item = node{}
		paths[path] = item
	}
	item[strings.ToLower(verb)] = op
}

func content(s node) node { return node{"content": node{"application/json": node{"schema": s}}} }

// upload splits the parameters of an upload: the extension belongs to the query, and
// the rest to the body.
func (d *declarations) upload() {
	params := d.Types["UploadParams"]
	properties, ok := params["properties"].(node)
	if !ok {
		return
	}
	d.Types["UploadQuery"] = node{"type": "object", "properties": node{"extension": properties["extension"]}}
	delete(properties, "extension")
	d.Types["Body_upload_upload_post"] = params
	delete(d.Types, "UploadParams")
	m := d.Methods["Reducto.upload"]
	m.Params = []param{{Name: "query", Schema: ref("UploadQuery")}, {Name: "body", Schema: ref("Body_upload_upload_post")}}
	d.Methods["Reducto.upload"] = m
}

func ref(name string) node { return node{"$ref": schemaPrefix + name} }

// rename makes references lead to the names that the API's documents have.
func rename(v any) {
	switch v := v.(type) {
	case node:
		if name, ok := v["$ref"].(string); ok {
			if other, ok := sdkNames[strings.TrimPrefix(name, schemaPrefix)]; ok {
				v["$ref"] = schemaPrefix + other
			}
		}
		for _, inner := range v {
			rename(inner)
		}
	case []any:
		for _, inner := range v {
			rename(inner)
		}
	}
}
