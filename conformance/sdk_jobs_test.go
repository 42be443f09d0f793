package conformance_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

// testJobs follows jobs through their life, and lists them.
func (s *sdk) testJobs(t *testing.T) {
	t.Run("get and cancel", func(t *testing.T) {
		srv := newServer(t)
		input := srv.PutFile("letter.txt", []byte(letter))
		srv.Hold()
		id := s.submit(t, srv, "parse.runJob", object{"input": input})
		equalJSON(t, `{"status":"Pending","result":null,"progress":null,"reason":null,"error":null,"type":"Parse",
			"num_pages":null,"total_pages":null,"source":"`+input+`","duration":null,"created_at":"<time>",
			"raw_config":"{\n  \"input\": \"`+input+`\"\n}","bucket":null}`,
			s.call(t, srv, "Reducto.JobGetResponse", "job.get", id))
		a := s.ask(t, srv, clientOptions{key: srv.APIKey()}, "job.cancel", id)
		require.Nil(t, a.Error)
		equalJSON(t, `null`, a.Value)
		equalJSON(t, `{"status":"Cancelled","result":null,"progress":null,"reason":null,"error":null,"type":"Parse",
			"num_pages":null,"total_pages":null,"source":"`+input+`","duration":"<number>","created_at":"<time>",
			"raw_config":"{\n  \"input\": \"`+input+`\"\n}","bucket":null}`,
			// The SDK's type of one job lacks this status, which that of the list has.
			s.call(t, srv, "Omit<Reducto.JobGetResponse, 'status'>", "job.get", id))
	})
	t.Run("failed", func(t *testing.T) {
		srv := newServer(t)
		input := srv.PutFile("letter.txt", []byte(letter))
		srv.FailNext("The file is damaged", "DOCUMENT_CORRUPT")
		id := s.submit(t, srv, "split.runJob", object{
			"input": input, "split_description": []any{object{"name": "A", "description": "B"}},
		})
		job := s.awaitJob(t, srv, id, "never")
		assert.Equal(t, "Failed", job.Status)
		assert.Equal(t, "The file is damaged", job.Reason)
		equalJSON(t, `{"status":"Failed","result":null,"progress":null,"reason":"The file is damaged",
			"error":{"code":415,"name":"DOCUMENT_CORRUPT","message":"The file is damaged","job_id":"`+id+`"},
			"type":"Split","num_pages":null,"total_pages":null,"source":"`+input+`","duration":"<number>","created_at":"<time>",
			"raw_config":"<string>","bucket":null}`, s.call(t, srv, "Reducto.JobGetResponse", "job.get", id))
	})
	t.Run("list", func(t *testing.T) {
		srv := newServer(t, reductotest.WithProcessingTime(0))
		input := srv.PutFile("letter.txt", []byte(letter))
		var ids []string // the latest first
		for range 5 {
			id := s.submit(t, srv, "parse.runJob", object{"input": input})
			s.awaitJob(t, srv, id, "Shared.ParseResponse")
			ids = append([]string{id}, ids...)
		}
		type page struct {
			Jobs       []json.RawMessage
			NextCursor *string `json:"next_cursor"`
		}
		list := func(args ...any) (p page) {
			require.NoError(t, json.Unmarshal(s.call(t, srv, "Reducto.JobGetAllResponse", "job.getAll", args...), &p))
			return p
		}
		whole := list()
		require.Len(t, whole.Jobs, 5)
		assert.Nil(t, whole.NextCursor)
		for i, id := range ids {
			equalJSON(t, `{"job_id":"`+id+`","status":"Completed","type":"Parse","num_pages":2,"total_pages":2,
				"source":"`+input+`","duration":"<number>","created_at":"<time>",
				"raw_config":"{\n  \"input\": \"`+input+`\"\n}","bucket":null}`, whole.Jobs[i])
		}
		var paged []json.RawMessage
		query := object{"limit": 2}
		for range 3 {
			p := list(query)
			paged = append(paged, p.Jobs...)
			if p.NextCursor == nil {
				break
			}
			require.Len(t, p.Jobs, 2)
			query["cursor"] = *p.NextCursor
		}
		assert.Equal(t, whole.Jobs, paged, "the pages make the whole")

		// The SDK's type wants raw_config, which this leaves out.
		a := s.ask(t, srv, clientOptions{key: srv.APIKey()}, "job.getAll", object{"exclude_configs": true, "limit": 1})
		require.Nil(t, a.Error)
		equalJSON(t, `{"jobs":[{"job_id":"`+ids[0]+`","status":"Completed","type":"Parse","num_pages":2,"total_pages":2,
			"source":"`+input+`","duration":"<number>","created_at":"<time>","bucket":null}],"next_cursor":"`+
			nextCursor(t, a.Value)+`"}`, a.Value)
	})
}

func nextCursor(t *testing.T, page json.RawMessage) string {
	t.Helper()
	var p struct {
		NextCursor string `json:"next_cursor"`
	}
	require.NoError(t, json.Unmarshal(page, &p))
	require.NotEmpty(t, p.NextCursor)
	return p.NextCursor
}

// testAccount calls what concerns no document.
func (s *sdk) testAccount(t *testing.T) {
	srv := newServer(t)
	equalJSON(t, `"v1.12.12-reductotest"`, s.call(t, srv, "Reducto.APIVersionResponse", "apiVersion"))
	equalJSON(t, `"https://app.svix.test/app-portal?token=reductotest"`, s.call(t, srv, "Reducto.WebhookRunResponse", "webhook.run"))
}
