package sqlstore

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook"
)

// Of two records that know the same job, the first gets it only if it is written, and
// the second must not have been told that it did.
func TestDisownedTogetherWhileOneIsBound(t *testing.T) {
	t.Parallel()
	for name, recorded := range map[string]bool{"recorded": true, "not recorded": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			s, other := openTwice(t)
			require.NoError(t, s.Submit(ctx, webhook.Submitted{ID: "r1", Webhook: true, LookAfter: time.Hour}))
			if recorded {
				require.NoError(t, s.Submit(ctx, webhook.Submitted{ID: "r2", Webhook: true, LookAfter: time.Hour}))
			}
			var arrivals []webhook.Arrival
			for _, named := range [][2]string{{"x1", "r1"}, {"y", "r1"}, {"x2", "r2"}, {"y", "r2"}} {
				arrivals = append(arrivals, webhook.Arrival{JobID: named[0], SubmissionID: named[1], Status: "Completed"})
			}
			_, err := s.Receive(ctx, arrivals)
			require.NoError(t, err)
			claimed, _, err := s.Claim(ctx, 10, time.Hour)
			require.NoError(t, err)
			require.Len(t, claimed, 2)
			verdicts := map[string]verdict{}
			for _, r := range claimed {
				verdicts[r.Key] = verdict{lease: lease{r.Key, r.Token}, State: webhook.StatePending}
			}
			keys, held := []string{"r1", "r2"}, map[string]bool{}
			bound := false
			require.NoError(t, s.change(ctx, 2,
				func(i int) ref { return ref{Key: keys[i], candidates: true} },
				func(b *book, i int) {
					held[keys[i]] = b.disowned(verdicts[keys[i]])
					if !bound { // the answer to r1 arrives
						bound = true
						require.NoError(t, other.Bind(ctx, "r1", "own", 1))
					}
				}))
			assert.Equal(t, map[string]bool{"r1": false, "r2": true}, held)
			records, err := s.List(ctx, webhook.Filter{JobID: "y"})
			require.NoError(t, err)
			require.Len(t, records, 1, "it is not forgotten")
			assert.Equal(t, "r2", records[0].Key)
		})
	}
}
