package webhook

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/internal/wireid"
)

// foreign reports whether the API shows that a claimed record was received for a
// job that is not its submission's, because somebody sent the submission's token
// with another job. That can only be while no answer to the submission has named
// the job. The job's configuration tells, where the service echoes it; and a job
// that does not exist is nobody's, unless all jobs of that time are gone by now.
// The error is the store's.
func (in *Inbox) foreign(c *claim, job *reducto.Job, err error) (bool, error) {
	r := &c.record
	if r.SubmissionID == "" || r.SubmittedAt.IsZero() || !slices.Contains(r.Unconfirmed, r.JobID) {
		return false, nil
	}
	if err == nil {
		if own := configNames(job.RawConfig, func(id string) bool { return wireid.Key(id) == r.Key }); own != "" {
			return false, nil
		}
		return in.submission(c.ctx, configMembers(job.RawConfig))
	}
	return errors.Is(err, reducto.ErrExpired) && !(errors.Is(err, reducto.ErrNotFound) && c.young()) &&
		c.now().Sub(r.SubmittedAt) < in.cfg.inbox.jobLife, nil
}

// submission reports whether one of these texts is certainly the id of a submission. A
// configuration is full of people's texts, prompts and schemas, which can have a
// submission_id too. So it has to be a UUID, as all ids are that nobody chose, or one
// that the store knows.
func (in *Inbox) submission(ctx context.Context, ids []string) (bool, error) {
	if slices.ContainsFunc(ids, isUUID) {
		return true, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, in.cfg.inbox.storeTimeout, errIntakeTimeout)
	defer cancel()
	for keys := range slices.Chunk(ids, defaultListLimit) {
		records, err := in.store.List(ctx, Filter{Keys: keys})
		if err != nil || slices.ContainsFunc(records, func(r Record) bool { return r.SubmissionID != "" }) {
			return err == nil, err
		}
	}
	return false, nil
}

// disown makes the record wait for its own job again.
func (in *Inbox) disown(c *claim) (Verdict, bool) {
	in.measure.count(MetricConflicts, "", 1)
	in.logRecord(c.ctx, slog.LevelWarn, "a delivery named a job that is not this submission's, with its token; the submission's own job is waited for", &c.record)
	return Verdict{
		Lease: c.lease(), State: StatePending, Keep: true,
		Error: "a delivery named job " + c.record.JobID + ", which is not this submission's",
	}, true
}

// configNames looks for submissions in a job's configuration, which the service
// may echo: as a text that holds the metadata. It returns the one that is wanted,
// empty if none is. The whole value of the member has to be the id, for one can be
// the beginning of another.
func configNames(config reducto.RawConfig, wanted func(id string) bool) string {
	for id := range submissionsIn(config) {
		if wanted(id) {
			return id
		}
	}
	return ""
}

// configMembers are the texts of members of a job's configuration that may each be a
// submission's id.
func configMembers(config reducto.RawConfig) []string {
	var ids []string
	for id, member := range submissionsIn(config) {
		if member && wireid.IsPart(id) && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// configOwner is the submission that a job's configuration names, if it names exactly
// one as the text of a member; empty otherwise.
func configOwner(config reducto.RawConfig) string {
	owner := ""
	for id, member := range submissionsIn(config) {
		switch {
		case !member || id == "" || id == owner:
		case owner != "":
			return ""
		default:
			owner = id
		}
	}
	return owner
}

// submissionsIn goes through all that a job's configuration has after the name of the
// member for a submission's id, and says whether it is the text of such a member.
func submissionsIn(config reducto.RawConfig) iter.Seq2[string, bool] {
	return func(yield func(id string, member bool) bool) {
		rest := string(config)
		for {
			before, after, ok := strings.Cut(rest, reducto.MetadataSubmissionID)
			if !ok {
				return
			}
			rest = strings.TrimLeft(after, "\\\"': \t\r\n")
			id := rest
			if end := strings.IndexFunc(rest, notInID); end >= 0 {
				id = rest[:end]
			}
			if !yield(id, isMember(before, after[:len(after)-len(rest)])) {
				return
			}
		}
	}
}

// isMember reports whether what stands before a name, and between it and what
// follows, make the name a member's and what follows a text.
func isMember(before, between string) bool {
	return strings.HasSuffix(before, `"`) && strings.HasPrefix(strings.TrimLeft(between, `\`), `"`) &&
		strings.Count(between, ":") == 1 && strings.HasSuffix(between, `"`)
}

// notInID reports whether r cannot be part of an id of any kind.
func notInID(r rune) bool { return r >= utf8.RuneSelf || wireid.Check("_"+string(r)) != "" }
