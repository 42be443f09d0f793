package webhook

import (
	"errors"
	"iter"
	"log/slog"
	"slices"
	"strings"

	"github.com/reducto-go/reducto"
)

// foreign reports whether the API shows that a claimed record was received for a
// job that is not its submission's, because somebody sent the submission's token
// with another job. That can only be while no answer to the submission has named
// the job. The job's configuration tells, where the service echoes it; and a job
// that does not exist is nobody's, unless all jobs of that time are gone by now.
func (in *Inbox) foreign(c *claim, job *reducto.Job, err error) bool {
	r := &c.record
	if r.SubmissionID == "" || r.SubmittedAt.IsZero() || !slices.Contains(r.Unconfirmed, r.JobID) {
		return false
	}
	if err == nil {
		named, own := configNames(job.RawConfig, func(id string) bool { return strings.EqualFold(id, r.SubmissionID) })
		return named && own == ""
	}
	return errors.Is(err, reducto.ErrExpired) && !(errors.Is(err, reducto.ErrNotFound) && c.young()) &&
		c.now().Sub(r.SubmittedAt) < in.cfg.inbox.jobLife
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
// may echo: as a text that holds the metadata. It reports whether any is named,
// and the one that is wanted, or none. The whole value of the member has to be the
// id, for one can be the beginning of another.
//
// A configuration is full of people's texts, prompts and schemas, which can speak of
// a submission_id too. So what is not wanted is taken for the name of a submission
// only if it is the text of a member, and a UUID, as all ids are that nobody chose.
func configNames(config reducto.RawConfig, wanted func(id string) bool) (named bool, id string) {
	for id, member := range submissionsIn(config) {
		if wanted(id) {
			return true, id
		}
		named = named || member && isUUID(id)
	}
	return named, ""
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

// notInID reports whether r cannot be part of a submission's id.
func notInID(r rune) bool {
	return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '-' && r != '_'
}
