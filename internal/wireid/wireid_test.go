package wireid

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCheckRefusesInvalidCharacters(t *testing.T) {
	t.Parallel()
	for _, good := range []string{
		"a", "Z", "7", "_", "job_abc123", "3d4b0e5a-9c1f-4f63-8a57-1f0c6f6f1a01", "a.b", "a:b~c", "0..",
		strings.Repeat("x", MaxLen),
	} {
		assert.Empty(t, Check(good), good)
	}
	for id, why := range map[string]string{
		"":                            "empty",
		strings.Repeat("x", MaxLen+1): "longer than 128",
	} {
		assert.Contains(t, Check(id), why)
	}
	for _, bad := range []string{
		".", "..", "-a", ":a", "~a", ".a", "a/b", `a\b`, "a b", " a", "a\n", "a?b", "a#b", "a%2fb", "ä", "a\x00", "a;b", "a@b", "\xff",
	} {
		assert.Contains(t, Check(bad), "character", "%q", bad)
	}
}

func TestIsPartRefusesSeparators(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"a": true, "_": true, "job_abc123": true, "3d4b0e5a-9c1f-4f63-8a57-1f0c6f6f1a01": true,
		strings.Repeat("x", MaxLen): true, strings.Repeat("x", MaxLen+1): false,
		"": false, "-a": false, "a.b": false, "a:b": false, "a~": false, ".a": false, "a b": false, "a/b": false, "ä": false,
	} {
		assert.Equal(t, want, IsPart(id), id)
		assert.Equal(t, want, IsPart([]byte(id)), id)
	}
}

func TestKeyConvertsUUIDsToLowerCase(t *testing.T) {
	t.Parallel()
	const lower = "3d4b0e5a-9c1f-4f63-8a57-1f0c6f6f1a01"
	for id, want := range map[string]string{
		lower:                                  lower,
		strings.ToUpper(lower):                 lower,
		"3D4b0e5a-9c1f-4f63-8a57-1f0c6f6f1A01": lower,
		"JOB_ABC":                              "JOB_ABC",
		"":                                     "",
		// 36 characters, and no UUID.
		"3D4B0E5A-9C1F-4F63-8A57-1F0C6F6F1A0G": "3D4B0E5A-9C1F-4F63-8A57-1F0C6F6F1A0G",
		"3D4B0E5AA9C1F-4F63-8A57-1F0C6F6F1A01": "3D4B0E5AA9C1F-4F63-8A57-1F0C6F6F1A01",
		"-D4B0E5A-9C1F-4F63-8A57-1F0C6F6F1A01": "-D4B0E5A-9C1F-4F63-8A57-1F0C6F6F1A01",
	} {
		assert.Equal(t, want, Key(id))
		assert.Equal(t, want, Key(Key(id)), "twice")
	}
}
