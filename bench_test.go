//go:build unix

package reducto

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/reducto-go/reducto/internal/jsonread"
)

// The benchmarks here compare CPU time, in turns within one run. Only their ratios are
// meaningful. go test -run - -bench Decode -benchtime 1x

// cpuTime returns the CPU time that the process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// used returns the CPU time and the allocations of one call of f.
func used(times int, f func() error) (time.Duration, float64, error) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := cpuTime()
	for range times {
		if err := f(); err != nil {
			return 0, 0, err
		}
	}
	took := cpuTime() - start
	runtime.ReadMemStats(&after)
	return took / time.Duration(times), float64(after.Mallocs-before.Mallocs) / float64(times), nil
}

// compare reports how many times as fast ours is as theirs, and the ratio of their
// allocations.
func compare(b *testing.B, size int, theirs, ours func() error) {
	times := max(1, 20_000_000/size)
	var faster, allocations []float64
	var speed float64
	for b.Loop() {
		for range 6 {
			t, ta, err := used(times, theirs)
			if err != nil {
				b.Fatal(err)
			}
			o, oa, err := used(times, ours)
			if err != nil {
				b.Fatal(err)
			}
			faster = append(faster, float64(t)/float64(o))
			allocations = append(allocations, oa/ta)
			speed = max(speed, float64(size)/o.Seconds()/1e6)
		}
	}
	slices.Sort(faster)
	slices.Sort(allocations)
	b.ReportMetric(faster[len(faster)/2], "x-faster")
	b.ReportMetric(allocations[len(allocations)/2], "x-allocs")
	b.ReportMetric(speed, "MB/s-cpu")
	b.ReportMetric(0, "ns/op")
}

var benchSizes = []int{100_000, 1_000_000, 10_000_000, 200_000_000}

func keep(data []byte) error {
	var full fullResult
	r := jsonread.New(bytes.NewReader(data), -1)
	defer r.Close()
	r.Forgetful()
	return readChunks(r, &full, func(c *Chunk) bool {
		full.Chunks = append(full.Chunks, *c)
		return true
	})
}

func BenchmarkDecodeKept(b *testing.B) {
	for name, make := range map[string]func(int) document{"text": sized, "OCR": ocrHeavy} {
		for _, size := range benchSizes {
			if testing.Short() && size > 50_000_000 {
				continue
			}
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				data := make(size).bytes()
				compare(b, len(data), func() error {
					var full plainFull
					return json.Unmarshal(data, &full)
				}, func() error { return keep(data) })
			})
		}
	}
}

func BenchmarkDecodeStreamed(b *testing.B) {
	for _, size := range benchSizes[1:3] {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			data := sized(size).bytes()
			compare(b, len(data), func() error {
				n := 0
				d := json.NewDecoder(bytes.NewReader(data))
				for range 4 { // {"type":"full","chunks"
					_, _ = d.Token()
				}
				_, _ = d.Token()
				for d.More() {
					_, _ = d.Token()
					for d.More() {
						name, err := d.Token()
						if err != nil {
							return err
						}
						if name != "blocks" {
							if _, err = d.Token(); err != nil {
								return err
							}
							continue
						}
						_, _ = d.Token()
						for d.More() {
							var block plainBlock
							if err := d.Decode(&block); err != nil {
								return err
							}
							n++
						}
						_, _ = d.Token()
					}
					_, _ = d.Token()
				}
				return nil
			}, func() error {
				return readBlocks(jsonread.New(bytes.NewReader(data), -1), func() {}, func(*Block) bool { return true })
			})
		})
	}
}

// The cost of the union: a job with its result, the type of which must be determined,
// compared to the same result decoded as its own type.
func BenchmarkDecodeUnion(b *testing.B) {
	content := sized(5_000_000).bytes()
	for name, format := range map[string]string{
		"first": `{"response_type":"parse","job_id":"j","duration":1.5,"usage":{"num_pages":3},"result":%s}`,
		"last":  `{"job_id":"j","duration":1.5,"usage":{"num_pages":3},"result":%s,"response_type":"parse"}`,
	} {
		b.Run(name, func(b *testing.B) {
			result := fmt.Appendf(nil, format, content)
			job := fmt.Appendf(nil, `{"status":"Completed","type":"Parse","num_pages":3,"result":%s}`, result)
			compare(b, len(job), func() error {
				v := new(ParseResult)
				r := jsonread.New(bytes.NewReader(result), int64(len(result)))
				defer r.Close()
				for o := r.Object(parseFields, v.Extra.members()); o.Next(); {
					if o.Name == "result" {
						v.full = new(fullResult)
						readFull(r, v.full)
						continue
					}
					r.Skip()
				}
				return r.Err()
			}, func() error {
				r := jsonread.New(bytes.NewReader(job), int64(len(job)))
				defer r.Close()
				readJob(r, new(Job))
				return r.Err()
			})
		})
	}
}

// The types below have the fields of the types in their names, but no methods.
// encoding/json decodes them, which is the reference for the decoder.

type plainBox struct {
	Left         float64 `json:"left"`
	Top          float64 `json:"top"`
	Width        float64 `json:"width"`
	Height       float64 `json:"height"`
	Page         int     `json:"page"`
	OriginalPage int     `json:"original_page,omitzero"`
}

type plainGranular struct {
	ExtractConfidence *float64 `json:"extract_confidence,omitzero"`
	ParseConfidence   *float64 `json:"parse_confidence,omitzero"`
}

type plainBlock struct {
	Type               string                     `json:"type"`
	BBox               plainBox                   `json:"bbox"`
	Content            string                     `json:"content"`
	ImageURL           string                     `json:"image_url,omitzero"`
	ChartData          []string                   `json:"chart_data,omitzero"`
	Confidence         string                     `json:"confidence,omitzero"`
	GranularConfidence *plainGranular             `json:"granular_confidence,omitzero"`
	MergedTables       json.RawMessage            `json:"merged_tables,omitzero"`
	Extra              map[string]json.RawMessage `json:"extra,omitzero"`
}

type plainChunk struct {
	Content           string       `json:"content"`
	Embed             string       `json:"embed"`
	Enriched          *string      `json:"enriched,omitzero"`
	EnrichmentSuccess bool         `json:"enrichment_success,omitzero"`
	Blocks            []plainBlock `json:"blocks"`
}

type plainWord struct {
	Text       string   `json:"text"`
	BBox       plainBox `json:"bbox"`
	Confidence *float64 `json:"confidence,omitzero"`
	ChunkIndex *int     `json:"chunk_index,omitzero"`
	Rotation   *int     `json:"rotation,omitzero"`
}

type plainOCR struct {
	Words []plainWord `json:"words"`
	Lines []plainWord `json:"lines"`
}

type plainFull struct {
	Type   string          `json:"type,omitzero"`
	Chunks []plainChunk    `json:"chunks"`
	OCR    *plainOCR       `json:"ocr,omitzero"`
	Custom json.RawMessage `json:"custom,omitzero"`
}
