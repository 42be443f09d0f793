package webhook

import (
	"encoding/json"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/internal/wireid"
)

// The service may echo a job's configuration, as a text that holds the metadata, and
// so the submission's id. In which form is not documented: as the request had it,
// most likely, but it may be cut off, or JSON within JSON. And it is full of people's
// texts, prompts and schemas, which can speak of a submission_id too.

// configOwner is the submission that a job's configuration names as its own. That is
// sure where the id stands in the metadata, whose member of that name belongs to this
// library. Otherwise it is the only text of a member of that name, wherever it stands;
// empty if there is none, or more than one.
func configOwner(config reducto.RawConfig) (owner string, sure bool) {
	if id := metadataOwner(config); id != "" {
		return id, true
	}
	for id, member := range submissionsIn(config) {
		switch {
		case !member || id == owner || !wireid.IsPart(id):
		case owner != "":
			return "", false
		default:
			owner = id
		}
	}
	return owner, false
}

// namesAnother reports whether a job's configuration names a submission, and not the
// one whose record has that key. Where the id does not stand in the metadata, any
// mention makes it that one's; and another is named for certain only by a UUID, as all
// ids are that nobody chose, in a configuration that is complete.
func namesAnother(config reducto.RawConfig, key string) bool {
	if owner, sure := configOwner(config); sure {
		return wireid.Key(owner) != key
	}
	another := false
	for id, member := range submissionsIn(config) {
		if wireid.Key(id) == key {
			return false
		}
		another = another || member && isUUID(id)
	}
	return another && json.Valid([]byte(config))
}

// mentionIn is the first submission of which a job's configuration speaks and that is
// wanted; empty if there is none.
func mentionIn(config reducto.RawConfig, wanted func(id string) bool) string {
	for id := range submissionsIn(config) {
		if wanted(id) {
			return id
		}
	}
	return ""
}

// metadataOwner is the id in the metadata of a configuration that has it where
// requests have it, or had it; empty if there is none.
func metadataOwner(config reducto.RawConfig) string {
	if !strings.Contains(string(config), reducto.MetadataSubmissionID) {
		return ""
	}
	whole := objectIn(json.RawMessage(config))
	for _, place := range []map[string]json.RawMessage{objectIn(whole["async"]), objectIn(whole["webhook"]), whole} {
		if id := idIn(place["metadata"]); id != "" {
			return id
		}
	}
	return ""
}

// idIn is the legal id of a submission in metadata, empty if there is none.
func idIn(metadata json.RawMessage) string {
	var id string
	if json.Unmarshal(objectIn(metadata)[reducto.MetadataSubmissionID], &id) != nil || !wireid.IsPart(id) {
		return ""
	}
	return id
}

// objectIn are the members of an object, also of one within a text; nil if it is none.
func objectIn(raw json.RawMessage) map[string]json.RawMessage {
	var text string
	if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &text) == nil {
		raw = json.RawMessage(text)
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return nil
	}
	return members
}

// submissionsIn goes through all that a job's configuration has after the name of the
// member for a submission's id, and says whether it is the text of such a member. The
// whole of it has to be the id, for one can be the beginning of another; so what is cut
// off is none.
func submissionsIn(config reducto.RawConfig) iter.Seq2[string, bool] {
	return func(yield func(id string, member bool) bool) {
		rest := string(config)
		for {
			before, after, ok := strings.Cut(rest, reducto.MetadataSubmissionID)
			if !ok {
				return
			}
			rest = strings.TrimLeft(after, "\\\"': \t\r\n")
			end := strings.IndexFunc(rest, notInID)
			if end < 0 {
				return
			}
			between := after[:len(after)-len(rest)]
			closed := rest[end] == '"' || rest[end] == '\\'
			if (closed || !strings.HasSuffix(between, `"`)) && !yield(rest[:end], isMember(before, between)) {
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
